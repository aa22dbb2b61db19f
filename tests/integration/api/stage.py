"""The API as a process of its own, over real HTTP, on a real database, with two merchants and their tokens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from strongroom.infra.clock import SystemClock
from strongroom.infra.components.hosting import free_port
from strongroom.infra.database import make_pool, transaction
from strongroom.infra.settings import KeySetSettings, Settings, load_settings
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.merchants import service as merchants
from strongroom.merchants.model import Merchant, Scope
from strongroom.rates import jobs as rates
from strongroom.wallets import service as wallets
from strongroom_core.amounts import Amount
from strongroom_core.assets import BITCOIN_REGTEST, REGTEST_BTC
from tests.fixtures.postgres import Database
from tests.integration.wallets.key_sets import key_set

READY_SECONDS = 20


@dataclass(frozen=True)
class Seller:
    """A merchant and a token with every scope."""

    merchant: Merchant
    token: str


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
        return httpx.AsyncClient(base_url=self.base_url, headers=headers, timeout=20, trust_env=False)


def settings_text(database: Database, folder: Path, port: int, **more: Any) -> str:
    """The settings file of a stage."""
    sets = "\n".join(_key_set(key_set(kind)) for kind in ("hot", "cold"))
    extra = "\n".join(f"{name} = {json.dumps(value)}" for name, value in more.items())
    return f"""
deployment = "test"
data_dir = "{folder}"
[database]
host = "127.0.0.1"
port = {database.cluster.port}
name = "{database.name}"
passwords = "{database.cluster.passwords_dir}"
pool_size = 6
[api]
port = {port}
public_url = "http://127.0.0.1:{port}"
{extra}
[rates]
fixed = {{ "BTC/EUR" = "50000", "BTC/USD" = "54321.98" }}
stale_after_seconds = 3600
[webhooks]
allow_private_destinations = true
key_file = "{folder / "webhook.key"}"
[[chains]]
id = "{BITCOIN_REGTEST.id}"
rpc_url = "http://127.0.0.1:1"
cookie_file = "/nonexistent"
{sets}
"""


def _key_set(found: KeySetSettings) -> str:
    keys = ", ".join(f'{{ xpub = "{key.xpub}", origin = "{key.origin}" }}' for key in found.keys)
    return f'[[chains.key_sets]]\nname = "{found.name}"\nkind = "{found.kind}"\nkeys = [{keys}]'


@asynccontextmanager
async def open_stage(database: Database, folder: Path, **api: Any) -> AsyncIterator[Stage]:
    """Seed a database, start the API process on it, and stop it at the end."""
    port = free_port()
    config = folder / "strongroom.toml"
    config.write_text(settings_text(database, folder, port, **api), encoding="utf-8")
    settings = load_settings(config)
    shop, other = await _seed(settings)
    log = folder / "api.log"
    process = _start(config, log)
    try:
        base_url = f"http://127.0.0.1:{port}"
        await _wait_until_ready(base_url, process, log)
        yield Stage(settings, database, base_url, shop, other, log)
    finally:
        _stop(process)


def _start(config: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "STRONGROOM_CONFIG": str(config)}
    with log.open("wb") as output:
        command = [sys.executable, "-m", "strongroom.processes.api"]
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


async def _wait_until_ready(base_url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    async with httpx.AsyncClient(trust_env=False) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if (await client.get(f"{base_url}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    message = f"the API did not start: {_tail(log)}"
    raise AssertionError(message)


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8")[-3000:]


async def _seed(settings: Settings) -> tuple[Seller, Seller]:
    async with make_pool(settings.dsn("worker"), size=2) as worker:
        async with transaction(worker) as connection:
            await wallets.sync_key_sets(connection, settings.chains[0])
        await rates.poll_rates(worker, settings, rates.sources_of(settings.rates), SystemClock())
        async with make_pool(settings.dsn("api"), size=2) as api, transaction(api) as connection:
            sellers = [await _seller(connection, settings, name) for name in ("Shop", "Other shop")]
        async with transaction(worker) as connection:
            for seller in sellers:
                await fund(connection, seller.merchant, 50_000_000)
    return sellers[0], sellers[1]


async def _seller(connection: Any, settings: Settings, name: str) -> Seller:
    merchant = await merchants.create_merchant(connection, name)
    _, token = await merchants.create_token(connection, merchant.id, list(Scope), "tests")
    for chain in settings.chains:
        await wallets.prepare_merchant(connection, chain, merchant.id, merchant.branch, 20)
    return Seller(merchant, token)


async def fund(connection: Any, merchant: Merchant, base_units: int) -> None:
    """Put money in a merchant's balance, as a credited deposit would."""
    source = Account(AccountType.CHAIN_COLD, REGTEST_BTC)
    balance = Account(AccountType.MERCHANT_AVAILABLE, REGTEST_BTC, merchant.id)
    posting = Posting(source, balance, Amount(REGTEST_BTC, base_units))
    await ledger.post(connection, [LedgerTransaction("test-fund", f"fund:{merchant.id}", (posting,))])
