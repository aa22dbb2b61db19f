"""A database with a merchant that has money; no chain needed to take or refuse a payout."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.infra.settings import ChainSettings, DatabaseSettings, FeeSettings, Settings
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.merchants.service import create_merchant
from strongroom.payouts import service as payouts
from strongroom.payouts.model import Payout, PayoutKind
from strongroom_core.amounts import Amount
from strongroom_core.assets import REGTEST_BTC, Asset
from strongroom_core.ids import MerchantId
from strongroom_core.intents import SignedIntent
from tests.fixtures.devnet import devnet
from tests.fixtures.postgres import Database
from tests.integration.outbound.world import PAYOUT_FEE, Shop
from tests.unit.signer.kit import CHAIN, DEPLOYMENT, SATS


@dataclass
class Desk:
    """Takes payouts as the API does, in its role."""

    pg: Database
    pool: Pool
    worker: Pool
    settings: Settings
    shop: Shop
    other: Shop

    async def pay(self, signed: SignedIntent, merchant: MerchantId | None = None) -> Payout:
        async with transaction(self.pool) as connection:
            return await payouts.create_payout(
                connection, self.settings, merchant or self.shop.id, signed, PayoutKind.PAYMENT, datetime.now(UTC)
            )

    async def owe(self, amount: int, asset: Asset = REGTEST_BTC) -> None:
        """What a reversed deposit leaves where the money is gone."""
        await credit(self.worker, AccountType.MERCHANT_OWED, AccountType.CHAIN_HOT, self.shop.id, amount, asset)

    async def have(self, amount: int, asset: Asset) -> None:
        """Money of the shop in another asset."""
        await credit(self.worker, AccountType.CHAIN_HOT, AccountType.MERCHANT_AVAILABLE, self.shop.id, amount, asset)

    async def balance(self, kind: AccountType, asset: Asset = REGTEST_BTC) -> int:
        async with transaction(self.pool) as connection:
            account = Account(kind, asset, self.shop.id)
            return await ledger.balance(connection, account)


@pytest.fixture
async def desk(pg: Database) -> AsyncIterator[Desk]:
    nowhere = Path("/nonexistent")
    fees = FeeSettings(payout_fee=PAYOUT_FEE)
    chain = ChainSettings(id=CHAIN, rpc_url="http://127.0.0.1:1", cookie_file=nowhere, fees=fees)
    settings = Settings(
        deployment=DEPLOYMENT, data_dir=nowhere, database=DatabaseSettings(passwords=nowhere), chains=(chain, devnet())
    )
    async with make_pool(pg.dsn("api"), size=4) as pool, make_pool(pg.dsn("worker"), size=1) as worker:
        async with transaction(pool) as connection:
            shops = [Shop(await create_merchant(connection, name), SigningKey.generate()) for name in ("one", "two")]
        await credit(worker, AccountType.CHAIN_HOT, AccountType.MERCHANT_AVAILABLE, shops[0].id, SATS)
        yield Desk(pg, pool, worker, settings, *shops)


async def credit(
    pool: Pool,
    source: AccountType,
    target: AccountType,
    merchant: MerchantId,
    amount: int,
    asset: Asset = REGTEST_BTC,
) -> None:
    """Post one posting between accounts of the house and of a merchant."""
    accounts = [Account(kind, asset, merchant if kind.is_merchant else None) for kind in (source, target)]
    posting = Posting(accounts[0], accounts[1], Amount(asset, amount))
    async with transaction(pool) as connection:
        await ledger.post(connection, [LedgerTransaction("test", f"{source} {target} {amount} {asset.id}", (posting,))])
