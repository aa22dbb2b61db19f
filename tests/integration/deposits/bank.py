"""A small platform in a test's database: merchants with addresses, the deposit step, and the books to look at."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from strongroom.deposits import jobs, service
from strongroom.deposits.model import Deposit
from strongroom.infra.database import Pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.wallets import jobs as wallet_jobs
from strongroom.wallets import service as wallets
from strongroom.wallets.model import AddressRequest, KeySetKind, Purpose, WalletAddress
from strongroom_core.amounts import Amount
from strongroom_core.assets import asset_by_id
from strongroom_core.ids import MerchantId
from tests.fixtures.postgres import Database
from tests.integration.deposits.feed import fresh_hash


@dataclass
class Bank:
    """What the tests of deposits do most."""

    pg: Database
    worker: Pool
    treasury: Pool
    chain: ChainSettings
    merchants: list[MerchantId]

    @classmethod
    async def open(cls, pg: Database, worker: Pool, treasury: Pool, chain: ChainSettings) -> Bank:
        """Record the key sets and prepare two merchants."""
        merchants = [MerchantId.new(), MerchantId.new()]
        async with transaction(worker) as connection:
            await wallets.sync_key_sets(connection, chain)
            for number, merchant_id in enumerate(merchants):
                await wallets.prepare_merchant(connection, chain, merchant_id, 2 + number, count=10)
        return cls(pg, worker, treasury, chain, merchants)

    async def address(self, merchant: int = 0, reference: str = "inv_1", asset: str | None = None) -> WalletAddress:
        """A fresh invoice address, to be paid in ``asset`` where one is named."""
        wanted = AddressRequest(self.chain.id, self.merchants[merchant], Purpose.INVOICE, reference, asset=asset)
        async with transaction(self.worker) as connection:
            found = await wallets.hand_out_many(connection, [wanted])
        return found[0]

    async def hot(self) -> None:
        """Hand out hot from now on."""
        async with transaction(self.treasury) as connection:
            await wallets.set_intake(connection, self.chain.id, KeySetKind.HOT)

    async def follow(self) -> None:
        """Let coins and deposits catch up."""
        while await wallet_jobs.follow_coins(self.worker, self.chain):
            pass
        while await jobs.follow_deposits(self.worker, self.chain):
            pass

    async def deposits(self, merchant: int = 0) -> list[Deposit]:
        """A merchant's deposits, oldest first."""
        async with transaction(self.worker) as connection:
            return (await service.list_deposits(connection, self.merchants[merchant], None, 100))[::-1]

    async def the_deposit(self, merchant: int = 0) -> Deposit:
        """The only one."""
        found = await self.deposits(merchant)
        assert len(found) == 1
        return found[0]

    async def balance(self, kind: AccountType, merchant: int | None = None, asset: str | None = None) -> int:
        """What stands on an account, of the chain's coin unless told."""
        owner = None if merchant is None else self.merchants[merchant]
        of = asset_by_id(asset) if asset else self.chain.asset
        async with transaction(self.worker) as connection:
            return await ledger.balance(connection, Account(kind, of, owner))

    async def available(self, merchant: int = 0, asset: str | None = None) -> int:
        return await self.balance(AccountType.MERCHANT_AVAILABLE, merchant, asset)

    async def owed(self, merchant: int = 0, asset: str | None = None) -> int:
        return await self.balance(AccountType.MERCHANT_OWED, merchant, asset)

    async def spend(self, amount: int, merchant: int = 0, asset_id: str | None = None) -> None:
        """A payout of a merchant that has left its balance."""
        asset = asset_by_id(asset_id) if asset_id else self.chain.asset
        source = Account(AccountType.MERCHANT_AVAILABLE, asset, self.merchants[merchant])
        posting = Posting(source, Account(AccountType.IN_TRANSIT, asset), Amount(asset, amount))
        async with transaction(self.worker) as connection:
            await ledger.post(connection, [LedgerTransaction("test-payout", fresh_hash("payout"), (posting,))])

    async def post(self, source: AccountType, destination: AccountType, amount: int, fund: AccountType) -> None:
        """Move money of the house between accounts, the first of them filled from ``fund``."""
        asset = self.chain.asset
        accounts = [Account(kind, asset) for kind in (fund, source, destination)]
        postings = tuple(Posting(one, other, Amount(asset, amount)) for one, other in itertools.pairwise(accounts))
        async with transaction(self.worker) as connection:
            await ledger.post(connection, [LedgerTransaction("test", fresh_hash("test"), postings)])

    def told(self) -> list[Any]:
        """Topics of the outbox, in order."""
        return [row[0] for row in self.pg.execute("SELECT topic FROM outbox_event ORDER BY id")]

    def payloads(self, topic: str) -> list[Any]:
        """What was told under a topic."""
        return [
            row[0] for row in self.pg.execute("SELECT payload FROM outbox_event WHERE topic = %s ORDER BY id", topic)
        ]

    def postings(self) -> list[tuple[object, ...]]:
        """Credits and reversals per deposit."""
        return self.pg.execute("SELECT (SELECT count(*) FROM deposit_credit), (SELECT count(*) FROM deposit_reversal)")
