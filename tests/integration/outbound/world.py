"""A whole platform in one test: real PostgreSQL with the processes' roles, a real node, two real signers."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nacl.signing import SigningKey

from strongroom.chains.jobs import watch_chain
from strongroom.chains.model import ChainNode
from strongroom.chains.service import connect_node
from strongroom.deposits.jobs import follow_deposits
from strongroom.infra.database import Connection, Pool, make_pool, transaction
from strongroom.infra.outbox import Dispatcher
from strongroom.infra.settings import (
    BandSettings,
    ChainSettings,
    DatabaseSettings,
    FeeSettings,
    KeySetSettings,
    KeySettings,
    Settings,
    SignerSettings,
    Tier,
)
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType
from strongroom.merchants.model import Merchant
from strongroom.merchants.service import create_merchant
from strongroom.outbound import jobs as outbound_jobs
from strongroom.outbound.signers import Signer
from strongroom.payouts import jobs as payout_jobs
from strongroom.payouts import service as payouts
from strongroom.payouts.model import Payout, PayoutKind
from strongroom.treasury import jobs as treasury_jobs
from strongroom.treasury.planning import Planner
from strongroom.wallets import service as wallets
from strongroom.wallets.jobs import follow_coins
from strongroom.wallets.model import KeySetKind, Purpose
from strongroom_core.ids import MerchantId, PayoutId
from strongroom_core.intents import PaymentIntent, SignedIntent
from strongroom_signer import host
from strongroom_signer.enrolment import Caps, EnrolledMerchant
from tests.fixtures.bitcoin import MiningNode
from tests.fixtures.postgres import Database
from tests.integration.signer.processes import SignerProcess, command
from tests.unit.signer.kit import ASSET, CHAIN, DEPLOYMENT, SATS, account

HORIZON = 3
PAYOUT_FEE = 1_000
_KEY = re.compile(r"(\[[^\]]+\])(.+)")


class TestClock:
    """The machine's time, moved on by a test."""

    __test__ = False

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def key_set(kind: str, names: tuple[str, str, str]) -> KeySetSettings:
    keys = []
    for name in names:
        match = _KEY.fullmatch(account(name))
        assert match is not None
        keys.append(KeySettings(origin=match.group(1), xpub=match.group(2)))
    return KeySetSettings(name=f"{kind}-1", kind=kind, keys=tuple(keys))  # type: ignore[arg-type]


def chain_settings(node: MiningNode, **changes: object) -> ChainSettings:
    values: dict[str, object] = {
        "id": CHAIN,
        "rpc_url": node.rpc_url,
        "cookie_file": Path(node.cookie_file),
        "zmq_url": node.zmq_url,
        "poll_seconds": 0.1,
        "horizon": HORIZON,
        "tiers": (Tier(confirmations=1),),
        "fees": FeeSettings(payout_fee=PAYOUT_FEE, rate_fallback=5, stuck_after_blocks=2),
        "band": BandSettings(low=0, target=50 * SATS, high=100 * SATS),
        "key_sets": (key_set("hot", ("A", "B", "R")), key_set("cold", ("C1", "C2", "C3"))),
    }
    return ChainSettings(**(values | changes))  # type: ignore[arg-type]


@dataclass
class Shop:
    """A merchant with its own signing key."""

    merchant: Merchant
    key: SigningKey

    @property
    def id(self) -> MerchantId:
        return self.merchant.id

    def intent(self, amount: int, destination: str, **changes: object) -> SignedIntent:
        values: dict[str, object] = {
            "deployment": DEPLOYMENT,
            "merchant": self.id,
            "payout": PayoutId.new(),
            "asset": ASSET,
            "amount": amount,
            "destination": destination,
            "tag": "",
            "fee_ceiling": PAYOUT_FEE,
            "expires_at": int(time.time()) + 3600,
        }
        data = PaymentIntent(**(values | changes)).encode()  # type: ignore[arg-type]
        return SignedIntent(data, bytes(self.key.verify_key), bytes(self.key.sign(data).signature))


@dataclass
class World:
    """The parts, and steps that a process would run in loops."""

    pg: Database
    node: MiningNode
    chain: ChainSettings
    settings: Settings
    processes: tuple[SignerProcess, SignerProcess]
    api: Pool
    worker: Pool
    treasury: Pool
    rpc: ChainNode
    clock: TestClock = field(default_factory=TestClock)

    @property
    def signers(self) -> tuple[Signer, ...]:
        return outbound_jobs.connect_signers(self.settings.signers)

    @property
    def planner(self) -> Planner:
        return Planner(self.treasury, self.chain, self.rpc, self.clock, timedelta(0))

    def dispatcher(self) -> Dispatcher:
        dispatcher = Dispatcher()
        for topic, handler in (*treasury_jobs.handlers(), *payout_jobs.handlers()):
            dispatcher.on(topic, handler)
        return dispatcher

    async def facts(self) -> None:
        """Have every room see what the watcher has recorded."""
        dispatcher = self.dispatcher()
        for _ in range(50):
            handled = await follow_coins(self.worker, self.chain)
            handled += await follow_deposits(self.worker, self.chain)
            handled += await outbound_jobs.follow(self.treasury, self.chain)
            handled += await dispatcher.run_once(self.worker)
            if not handled:
                return

    async def watched(self) -> None:
        """Wait until the watcher's facts reach the node's tip."""
        best = self.node.rpc("getbestblockhash")

        async def reached() -> bool:
            return self.pg.execute("SELECT hash, status FROM chain_status") == [(best, "ok")]

        await until(reached)

    async def synced(self) -> None:
        """Wait for the watcher, and have every room see its facts."""
        await self.watched()
        await self.facts()

    async def mine_only(self, blocks: int) -> None:
        """Mine, and let the watcher see it, but no other room."""
        self.node.mine(blocks)
        await self.watched()

    async def mine(self, blocks: int = 1) -> None:
        self.node.mine(blocks)
        await self.synced()

    async def turn(self) -> None:
        """One round of everything that a treasury and a worker process do."""
        await self.facts()
        while await self.planner.plan():
            pass
        await self.planner.expire()
        await self.sign()
        await outbound_jobs.void(self.treasury, self.chain, self.signers)
        await outbound_jobs.broadcast(self.treasury, self.chain, self.rpc)
        await self.facts()

    async def sign(self) -> int:
        return await outbound_jobs.sign(self.treasury, self.chain, self.signers)

    async def retry_now(self) -> None:
        """Make everything that waits to be tried again due now."""
        for table in ("outbound_slot", "outbound_void", "treasury_payable"):
            self.pg.execute(f"UPDATE {table} SET retry_at = now() WHERE retry_at > now()")

    async def shop(self, name: str = "shop", *, enrolled: str = "AB", **caps: int) -> Shop:
        """A merchant with addresses, enrolled by hand at the signers."""
        async with transaction(self.api) as connection:
            merchant = await create_merchant(connection, name)
            await wallets.prepare_merchant(connection, self.chain, merchant.id, merchant.branch, count=5)
        shop = Shop(merchant, SigningKey.generate())
        for process in self.processes:
            if process.folder.root.name in enrolled:
                enrol(process, shop, **caps)
        return shop

    async def fund(self, shop: Shop, *amounts: int, kind: KeySetKind = KeySetKind.HOT) -> None:
        """Have a payer pay a merchant at hot addresses, and wait beyond the horizon."""
        async with transaction(self.treasury) as connection:
            await wallets.set_intake(connection, CHAIN, kind)
        async with transaction(self.api) as connection:
            from_pool = await wallets.hand_out(connection, CHAIN, shop.id, Purpose.INVOICE, "test", count=len(amounts))
        for address, amount in zip(from_pool, amounts, strict=True):
            self.node.pay(address.address, amount)
        await self.mine(HORIZON)

    async def pay(self, shop: Shop, signed: SignedIntent) -> Payout:
        async with transaction(self.api) as connection:
            return await payouts.create_payout(
                connection, self.settings, shop.id, signed, PayoutKind.PAYMENT, self.clock.now()
            )

    async def payout(self, shop: Shop, payout_id: str) -> Payout:
        async with transaction(self.api) as connection:
            return await payouts.get_payout(connection, shop.id, payout_id)

    async def balance(self, type_: AccountType, owner: MerchantId | None = None) -> int:
        async with transaction(self.worker) as connection:
            return await ledger.balance(connection, Account(type_, self.chain.asset, owner))

    async def in_transaction(self, do: Callable[[Connection], Awaitable[object]], role: str = "treasury") -> object:
        async with transaction(getattr(self, role)) as connection:
            return await do(connection)

    def received(self, address: str) -> list[int]:
        """Payments to an address that stand in blocks or the mempool, as the node tells it: base units, sorted."""
        found = self.node.rpc("scantxoutset", "start", [f"addr({address})"])
        amounts = [round(item["amount"] * SATS) for item in found["unspents"]]
        for txid in self.node.rpc("getrawmempool"):
            for output in self.node.rpc("getrawtransaction", txid, True)["vout"]:
                paid = output["scriptPubKey"].get("address") == address
                amounts += [round(output["value"] * SATS)] if paid else []
        return sorted(amounts)


def enrol(process: SignerProcess, shop: Shop, **caps: int) -> None:
    """A hand on the signer's own host; in force at once on a running signer."""
    limits = {"per_payout": 4 * SATS, "per_window": 10 * SATS, "unlisted_per_window": 8 * SATS} | caps
    enrolled = EnrolledMerchant(shop.id, shop.merchant.branch, bytes(shop.key.verify_key), {})
    caps_row = Caps(ASSET, limits["per_payout"], limits["per_window"], limits["unlisted_per_window"], ())
    host.enrol(process.folder, enrolled, caps_row)
    answer = command("reload", "--dir", str(process.folder.root))
    assert answer.returncode == 0, answer.stderr


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.03)


@contextlib.asynccontextmanager
async def make_world(
    pg: Database, node: MiningNode, processes: tuple[SignerProcess, SignerProcess], **changes: object
) -> AsyncIterator[World]:
    chain = chain_settings(node, **changes)
    settings = Settings(
        deployment=DEPLOYMENT,
        data_dir=Path("/nonexistent"),
        database=DatabaseSettings(passwords=Path("/nonexistent")),
        chains=(chain,),
        signers=tuple(SignerSettings(name=p.folder.root.name, address=str(p.socket)) for p in processes),
    )
    async with contextlib.AsyncExitStack() as stack:
        pools = [
            await stack.enter_async_context(make_pool(pg.dsn(role), size=4, name=role))
            for role in ("api", "worker", "treasury", "watcher")
        ]
        async with transaction(pools[1]) as connection:
            await wallets.sync_key_sets(connection, chain)
        rpc = connect_node(chain)
        stack.push_async_callback(rpc.close)
        watching = asyncio.create_task(watch_chain(chain, pools[3]))
        world = World(pg, node, chain, settings, processes, pools[0], pools[1], pools[2], rpc)
        try:
            await world.synced()
            yield world
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
