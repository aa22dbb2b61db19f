"""What whole platforms in tests have in common, whatever chain they pay on: processes' roles, merchants, signers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from strongroom.chains.jobs import watch_chain
from strongroom.infra.database import Connection, Pool, make_pool, transaction
from strongroom.infra.outbox import Dispatcher
from strongroom.infra.settings import ChainSettings, DatabaseSettings, Settings, SignerSettings
from strongroom.merchants.model import Merchant
from strongroom.merchants.service import create_merchant
from strongroom.outbound import jobs as outbound_jobs
from strongroom.outbound.signers import Signer
from strongroom.payouts import jobs as payout_jobs
from strongroom.payouts import service as payouts
from strongroom.payouts.model import Payout, PayoutKind
from strongroom.treasury import jobs as treasury_jobs
from strongroom.wallets import service as wallets
from strongroom_core.ids import MerchantId, PayoutId
from strongroom_core.intents import PaymentIntent, SignedIntent
from tests.fixtures.postgres import Database
from tests.integration.signer.processes import SignerProcess
from tests.unit.signer.kit import DEPLOYMENT

ADDRESSES = 5


class TestClock:
    """The machine's time, moved on by a test."""

    __test__ = False

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class SigningMerchant:
    """A merchant with its own signing key; a chain's shop says how it writes an intent."""

    merchant: Merchant
    key: SigningKey

    @property
    def id(self) -> MerchantId:
        return self.merchant.id

    def signed(self, **changes: object) -> SignedIntent:
        values: dict[str, Any] = {
            "deployment": DEPLOYMENT,
            "merchant": self.id,
            "payout": PayoutId.new(),
            "tag": "",
            "expires_at": int(time.time()) + 3600,
        }
        data = PaymentIntent(**(values | changes)).encode()
        return SignedIntent(data, bytes(self.key.verify_key), bytes(self.key.sign(data).signature))


@dataclass(kw_only=True)
class Platform:
    """The parts of every such platform, and what all of its processes do alike."""

    pg: Database
    chain: ChainSettings
    settings: Settings
    processes: tuple[SignerProcess, SignerProcess]
    api: Pool
    worker: Pool
    treasury: Pool
    clock: TestClock = field(default_factory=TestClock)

    @property
    def signers(self) -> tuple[Signer, ...]:
        return outbound_jobs.connect_signers(self.settings.signers)

    def dispatcher(self) -> Dispatcher:
        dispatcher = Dispatcher()
        for topic, handler in (*treasury_jobs.handlers(), *payout_jobs.handlers()):
            dispatcher.on(topic, handler)
        return dispatcher

    def best_block(self) -> str:
        """The hash of the node's best block."""
        raise NotImplementedError

    async def facts(self) -> None:
        """Have every room see what the watcher has recorded."""
        raise NotImplementedError

    async def watched(self) -> None:
        """Wait until the watcher's facts reach the node's tip."""
        best = self.best_block()

        async def reached() -> bool:
            return self.pg.execute("SELECT hash, status FROM chain_status") == [(best, "ok")]

        await until(reached)

    async def synced(self) -> None:
        """Wait for the watcher, and have every room see its facts."""
        await self.watched()
        await self.facts()

    async def retry_now(self) -> None:
        """Make everything that waits to be tried again due now."""
        for table in ("outbound_slot", "outbound_void", "treasury_payable"):
            self.pg.execute(f"UPDATE {table} SET retry_at = now() WHERE retry_at > now()")

    async def merchant(self, name: str) -> Merchant:
        """A merchant with addresses."""
        async with transaction(self.api) as connection:
            merchant = await create_merchant(connection, name)
            await wallets.prepare_merchant(connection, self.chain, merchant.id, merchant.branch, count=ADDRESSES)
        return merchant

    def those(self, names: str) -> list[SignerProcess]:
        """The signers of these names, a letter each."""
        return [process for process in self.processes if process.folder.root.name in names]

    async def pay(self, shop: SigningMerchant, signed: SignedIntent) -> Payout:
        async with transaction(self.api) as connection:
            return await payouts.create_payout(
                connection, self.settings, shop.id, signed, PayoutKind.PAYMENT, self.clock.now()
            )

    async def payout(self, shop: SigningMerchant, payout_id: str) -> Payout:
        async with transaction(self.api) as connection:
            return await payouts.get_payout(connection, shop.id, payout_id)

    async def in_transaction(self, do: Callable[[Connection], Awaitable[object]], role: str = "treasury") -> object:
        async with transaction(getattr(self, role)) as connection:
            return await do(connection)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.03)


def settings_of(chain: ChainSettings, processes: tuple[SignerProcess, SignerProcess]) -> Settings:
    """Settings of one chain and two signers; who needs a folder or a login is told them otherwise."""
    return Settings(
        deployment=DEPLOYMENT,
        data_dir=Path("/nonexistent"),
        database=DatabaseSettings(passwords=Path("/nonexistent")),
        chains=(chain,),
        signers=tuple(SignerSettings(name=p.folder.root.name, address=str(p.socket)) for p in processes),
    )


@contextlib.asynccontextmanager
async def watched_pools(pg: Database, chain: ChainSettings) -> AsyncIterator[dict[str, Any]]:
    """The pools of a platform's processes by their roles; a watcher follows the chain meanwhile."""
    async with contextlib.AsyncExitStack() as stack:
        pools = {
            role: await stack.enter_async_context(make_pool(pg.dsn(role), size=4, name=role))
            for role in ("api", "worker", "treasury", "watcher")
        }
        async with transaction(pools["worker"]) as connection:
            await wallets.sync_key_sets(connection, chain)
        watching = asyncio.create_task(watch_chain(chain, pools.pop("watcher")))
        try:
            yield dict(pools)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
