"""A real node, a real database and a real watcher, and what its facts add up to."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from strongroom.chains import service
from strongroom.chains.bitcoin.watcher import Watcher
from strongroom.chains.model import ChainEvent, EventKind, Tip
from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom_core.assets import BITCOIN_REGTEST
from tests.fixtures.bitcoin import MINER_WALLET, MiningNode
from tests.fixtures.postgres import Database

CHAIN = BITCOIN_REGTEST.id
PATIENCE_SECONDS = 90.0


def settings_for(node: MiningNode, *, zmq: bool = True, **overrides: Any) -> ChainSettings:
    values: dict[str, Any] = {
        "id": CHAIN,
        "rpc_url": node.rpc_url,
        "cookie_file": node.cookie_file,
        "zmq_url": node.zmq_url if zmq else None,
        "poll_seconds": 0.2,
    }
    return ChainSettings(**{**values, **overrides})


@dataclass
class Folded:
    """What a log of facts adds up to; it refuses a log that cannot be."""

    active: dict[int, str] = field(default_factory=dict)
    open: dict[str, str] = field(default_factory=dict)
    confirmed: dict[str, str] = field(default_factory=dict)

    def take(self, event: ChainEvent) -> None:
        getattr(self, f"_{event.kind}")(event)

    def _connected(self, event: ChainEvent) -> None:
        assert event.height is not None
        assert event.block_hash is not None
        top = max(self.active, default=None)
        assert top is None or (event.height == top + 1 and event.parent_hash == self.active[top])
        self.active[event.height] = event.block_hash
        for tx in event.txs:
            assert tx.txid not in self.confirmed
            self.open.pop(tx.txid, None)
            self.confirmed[tx.txid] = event.block_hash

    def _disconnected(self, event: ChainEvent) -> None:
        top = max(self.active)
        assert (event.height, event.block_hash) == (top, self.active.pop(top))
        for tx in event.txs:
            assert self.confirmed.pop(tx.txid) == event.block_hash
            self.open[tx.txid] = "orphaned"
        assert event.block_hash not in self.confirmed.values()

    def _mempool_added(self, event: ChainEvent) -> None:
        (tx,) = event.txs
        assert tx.txid not in self.open
        assert tx.txid not in self.confirmed
        self.open[tx.txid] = "mempool"

    def _mempool_removed(self, event: ChainEvent) -> None:
        (tx,) = event.txs
        del self.open[tx.txid]


def fold(events: list[ChainEvent]) -> Folded:
    folded = Folded()
    for event in events:
        folded.take(event)
    return folded


@dataclass
class Scene:
    """The pieces of a test."""

    node: MiningNode
    database: Database
    worker: Pool

    def watched_address(self) -> str:
        """A new address of the miner's wallet whose script is watched."""
        address = self.node.new_address()
        script = service.address_to_script(CHAIN, address)
        self.database.execute("INSERT INTO chain_watch (chain, script) VALUES (%s, %s)", CHAIN, script)
        return address

    async def events(self, after: int = 0) -> list[ChainEvent]:
        async with transaction(self.worker) as connection:
            return await service.read_events(connection, CHAIN, after, 100_000)

    async def about(self, txid: str) -> list[ChainEvent]:
        return [event for event in await self.events() if any(tx.txid == txid for tx in event.txs)]

    async def kinds(self, txid: str) -> list[EventKind]:
        return [event.kind for event in await self.about(txid)]

    async def folded(self) -> Folded:
        return fold(await self.events())

    async def tip(self) -> Tip | None:
        async with transaction(self.worker) as connection:
            return await service.tip(connection, CHAIN)

    async def synced(self) -> Folded:
        """Wait until the facts reach the node's best block, and fold them."""
        best = self.node.rpc("getbestblockhash")

        async def there() -> bool:
            tip = await self.tip()
            return tip is not None and tip.block_hash == best

        await until(there)
        return await self.folded()

    def spend(self, inputs: list[tuple[str, int]], outputs: dict[str, int], *, sequence: int = 0xFFFFFFFD) -> str:
        """Sign (not send) a chain tx of the miner's wallet; its hex."""
        sources = [{"txid": txid, "vout": vout, "sequence": sequence} for txid, vout in inputs]
        targets = {address: f"{Decimal(amount).scaleb(-8):f}" for address, amount in outputs.items()}
        raw = self.node.rpc("createrawtransaction", sources, targets)
        signed = self.node.rpc("signrawtransactionwithwallet", raw, wallet=MINER_WALLET)
        assert signed["complete"], signed
        return str(signed["hex"])

    def send(self, raw: str) -> str:
        return str(self.node.rpc("sendrawtransaction", raw, 0))

    def coin(self) -> tuple[str, int, int]:
        """A confirmed coin of the miner: txid, vout, satoshis."""
        coin = max(self.node.rpc("listunspent", 1, wallet=MINER_WALLET), key=lambda item: item["amount"])
        return str(coin["txid"]), int(coin["vout"]), int(coin["amount"] * 10**8)


async def until(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def scene_of(node: MiningNode, database: Database) -> AsyncIterator[Scene]:
    async with make_pool(database.dsn("worker"), size=2, name="test-worker") as worker:
        yield Scene(node, database, worker)


@contextlib.asynccontextmanager
async def watching(scene: Scene, **options: Any) -> AsyncIterator[None]:
    """Run a watcher, logged in as its own role, for the length of a block."""
    settings = settings_for(scene.node, **options)
    async with make_pool(scene.database.dsn("watcher"), size=1, name="test-watcher") as pool:
        task = asyncio.create_task(Watcher(settings, pool).run())
        try:
            yield
            assert not task.done(), task.result()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
