"""The API as a process of its own, over real HTTP, on a real database, with two merchants and their tokens."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from strongroom.infra.clock import SystemClock
from strongroom.infra.database import make_pool, transaction
from strongroom.infra.settings import ChainSettings, Settings, load_settings
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.merchants.model import Merchant
from strongroom.rates import jobs as rates
from strongroom.wallets import service as wallets
from strongroom_core.amounts import Amount
from strongroom_core.assets import REGTEST_BTC, Asset
from tests.fixtures.devnet import USDT, devnet
from tests.fixtures.platform import NO_NODE, Seller, make_seller, running, tail, write_settings
from tests.fixtures.ports import reserved_port
from tests.fixtures.postgres import Database

READY_SECONDS = 90  # it is there after two; a machine under load may need long
ANSWER_SECONDS = 60
RATES = {"BTC/EUR": "50000", "BTC/USD": "54321.98", "USDT/EUR": "0.92", "ETH/EUR": "3000"}


@dataclass(frozen=True)
class Stage:
    """A running API and what a test needs to talk to it."""

    settings: Settings
    database: Database
    base_url: str
    shop: Seller
    other: Seller
    log: Path

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        """An HTTP client with the shop's token, another one, or (empty text) none."""
        chosen = self.shop.token if token is None else token
        headers = {"Authorization": f"Bearer {chosen}"} if chosen else {}
        return httpx.AsyncClient(base_url=self.base_url, headers=headers, timeout=ANSWER_SECONDS, trust_env=False)


@asynccontextmanager
async def open_stage(
    database: Database,
    folder: Path,
    chain: dict[str, Any] | None = None,
    more: tuple[ChainSettings, ...] | None = None,
    **api: Any,
) -> AsyncIterator[Stage]:
    """Seed a database, start the API process on it, and stop it at the end; ``chain`` names a node where there is one.

    ``more`` are its account chains, one unless told; ``api`` goes into that section of the settings.
    """
    chains = (devnet(),) if more is None else more
    with reserved_port() as port:
        config = write_settings(
            folder, database, port, deployment="test", rates=RATES, chain=chain or NO_NODE, api=api, more=chains
        )
        settings = load_settings(config)
        shop, other = await _seed(settings)
        log = folder / "api.log"
        with running("api", config, log) as process:
            base_url = f"http://127.0.0.1:{port}"
            await _wait_until_ready(base_url, process, log)
            yield Stage(settings, database, base_url, shop, other, log)


async def _wait_until_ready(base_url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if (await client.get(f"{base_url}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    message = f"the API did not start: {tail(log)}"
    raise AssertionError(message)


async def _seed(settings: Settings) -> tuple[Seller, Seller]:
    async with make_pool(settings.dsn("worker"), size=2) as worker:
        async with transaction(worker) as connection:
            for chain in settings.chains:
                await wallets.sync_key_sets(connection, chain)
        await rates.poll_rates(worker, settings, rates.sources_of(settings.rates), SystemClock())
        async with make_pool(settings.dsn("api"), size=2) as api, transaction(api) as connection:
            sellers = [await make_seller(connection, settings, name) for name in ("Shop", "Other shop")]
        async with transaction(worker) as connection:
            for seller in sellers:
                await fund(connection, seller.merchant, 50_000_000)
                if settings.chains[1:]:
                    await fund(connection, seller.merchant, 100_000_000, USDT)
    return sellers[0], sellers[1]


async def fund(connection: Any, merchant: Merchant, base_units: int, asset: Asset = REGTEST_BTC) -> None:
    """Put money in a merchant's balance, as a credited deposit would."""
    source = Account(AccountType.CHAIN_COLD, asset)
    balance = Account(AccountType.MERCHANT_AVAILABLE, asset, merchant.id)
    posting = Posting(source, balance, Amount(asset, base_units))
    await ledger.post(connection, [LedgerTransaction("test-fund", f"fund:{asset.id}:{merchant.id}", (posting,))])
