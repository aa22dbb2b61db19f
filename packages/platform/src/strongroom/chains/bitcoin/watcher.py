"""The watcher of one chain: the only writer of its facts.

It decides nothing. What it has recorded is its state: killed at any point, it goes on from the event log. While the
node is down, syncing or on another network it records nothing, says so, and goes on by itself when that has passed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

import structlog

from strongroom.chains.bitcoin.blocks import BlockFollower, Stretch
from strongroom.chains.bitcoin.memory import Memory
from strongroom.chains.bitcoin.mempool import MempoolFollower
from strongroom.chains.bitcoin.node import BitcoinNode, NodeState
from strongroom.chains.bitcoin.notices import Notices
from strongroom.chains.bitcoin.parameters import parameters_of
from strongroom.chains.errors import ChainError, NodeWarmingUpError, WrongNetworkError
from strongroom.chains.model import ChainStatus
from strongroom.chains.recording import store
from strongroom.chains.recording.announcing import Announcer, Reach, too_deep
from strongroom.chains.recording.keeping import ProgressCallback, keep_recording
from strongroom.infra.database import Connection, Pool
from strongroom.infra.settings import ChainSettings

_log = structlog.get_logger(__name__)
LAG_BLOCKS: Final = 2  # so far behind is still live: a header is always there a moment before its block
COMPARE_SECONDS: Final = 60.0  # the whole mempool is compared at least this often, whatever the notices said


class Watcher:
    """Follows one node. ``progress`` is told (recorded height, node's height) after every commit of blocks."""

    def __init__(self, settings: ChainSettings, pool: Pool, progress: ProgressCallback | None = None) -> None:
        """Name the chain, its node and the database; ``pool`` connects as ``strongroom_watcher``."""
        self._settings = settings
        self._pool = pool
        self._progress = progress
        self._parameters = parameters_of(settings.id)
        self._node = BitcoinNode(settings)
        self._notices = Notices(settings.zmq_url)

    async def run(self) -> None:
        """Go on until cancelled; losing the database or the lock only starts over from the event log."""
        listener = asyncio.create_task(self._notices.listen())
        try:
            await keep_recording(self._pool, self._settings.id, self._run_session)
        finally:
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener
            await self._node.close()

    async def _run_session(self, connection: Connection) -> None:
        await Session(self._settings, self._node, self._notices, connection, self._progress).run()


class Session:
    """One stretch of work with the chain's lock held; its memory lives as long."""

    def __init__(
        self,
        settings: ChainSettings,
        node: BitcoinNode,
        notices: Notices,
        connection: Connection,
        progress: ProgressCallback | None = None,
    ) -> None:
        """Start with an empty memory; ``run`` or ``load`` fills it."""
        self._settings = settings
        self._node = node
        self._notices = notices
        self._connection = connection
        self._progress = progress
        self.memory = Memory(settings.id, settings.asset.id)
        self._blocks = BlockFollower(node, self.memory, settings.start_height)
        self._mempool = MempoolFollower(node, self.memory)
        self._ahead = False  # the memory holds facts that are not recorded
        self._compare_at = 0.0
        self._status = Announcer(settings, connection)

    async def load(self) -> None:
        """Rebuild the memory from the event log."""
        await self.memory.load(self._connection)
        await self._status.load()
        self._notices.distrust()
        tip = self.memory.tip
        _log.info("watching", chain=self._settings.id, height=tip and tip.height, scripts=len(self.memory.scripts))

    async def run(self) -> None:
        """Step until cancelled or until the database fails."""
        await self.load()
        while True:
            await self.step()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._notices.wake.wait(), self._settings.poll_seconds)

    async def step(self) -> None:
        """Catch up with the node, blocks and mempool, or say why that cannot be."""
        self._notices.wake.clear()
        try:
            if self._ahead:
                await self.memory.load_state(self._connection)
                self._ahead = False
            await self._follow()
        except ChainError as error:
            self._notices.distrust()
            await self._status.say(_status_of(error), error.message, Reach(self.memory.tip))

    async def _follow(self) -> None:
        while True:
            state = await self._node.state()
            waiting = await self._not_ready(state)
            if waiting is not None:
                await self._status.say(ChainStatus.SYNCING, waiting, Reach(self.memory.tip, state.tip.height))
                return
            await self._catch_up(state)
            if await self._follow_mempool():
                break
        await self._say_ok(state.tip.height)

    async def _not_ready(self, state: NodeState) -> str | None:
        """Say why the node is not believed yet. Regtest nodes call themselves starting after every idle day."""
        if state.starting and not parameters_of(self._settings.id).regtest:
            return f"the node is loading the chain: block {state.tip.height} of {state.headers}"
        if state.headers > state.tip.height + LAG_BLOCKS:
            missing = await self._node.blocks_to_come()
            if missing > LAG_BLOCKS:
                return f"the node has {missing} blocks to fetch after {state.tip.height}"
        return await self._lost_blocks(state)

    async def _lost_blocks(self, state: NodeState) -> str | None:
        """Say that the node is behind what is recorded: amid a reorg, or without its last blocks, as after a crash.

        A reorg shows by another block in place of a recorded one. A shorter stretch of the same chain orphans nothing.
        """
        tip = self.memory.tip
        if tip is None or state.tip.height >= tip.height:
            return None
        there = await store.load_block(self._connection, self._settings.id, state.tip.height)
        if there is not None and there.block_hash != state.tip.block_hash:
            return None
        return f"the node is at block {state.tip.height} of the {tip.height} recorded"

    async def _catch_up(self, state: NodeState) -> None:
        while True:
            await self.memory.load_scripts(self._connection)
            self._ahead = True
            stretch = await self._blocks.next_stretch(self._connection, state.tip)
            if stretch.orphaned:
                await self._node.state()  # what was read of a node that has become another meanwhile is not recorded
            if stretch.facts:
                await self._commit(stretch, state.tip.height)
            self._ahead = False
            if not stretch.facts:
                return

    async def _commit(self, stretch: Stretch, node_height: int) -> None:
        async with self._connection.transaction():
            ids = await store.record(self._connection, self._settings.id, stretch.facts)
            if stretch.depth > self._settings.horizon:
                await self._status.stop_crediting(too_deep(stretch.depth, self._settings.horizon))
            height = stretch.tip.height if stretch.tip else 0
            behind = node_height - height > LAG_BLOCKS
            status = ChainStatus.SYNCING if behind else ChainStatus.OK
            detail = f"block {height} of {node_height}" if behind else ""
            await self._status.say_with(status, detail, Reach(self.memory.tip, node_height))
        self._blocks.recorded(stretch.facts, ids)
        if stretch.orphaned:
            self._compare_at = 0.0
            _log.warning("reorg", chain=self._settings.id, orphaned=stretch.orphaned, depth=stretch.depth)
        if self._progress:
            self._progress(height, node_height)

    async def _follow_mempool(self) -> bool:
        """Record what changed in the mempool; false where the node has moved to another block meanwhile."""
        batch = self._notices.take()
        whole = not batch.complete or time.monotonic() >= self._compare_at
        if whole:
            look = await self._mempool.look_at_all()
        else:
            look = await self._mempool.look_at(batch.added, batch.removed)
        tip = self.memory.tip
        if tip is not None and (await self._node.tip()).block_hash != tip.block_hash:
            self._compare_at = 0.0
            return False
        facts = self._mempool.facts(look)
        if facts:
            async with self._connection.transaction():
                ids = await store.record(self._connection, self._settings.id, facts)
            self._mempool.recorded(facts, ids)
        if whole:
            self._compare_at = time.monotonic() + COMPARE_SECONDS
        return True

    async def _say_ok(self, node_height: int) -> None:
        tip = self.memory.tip
        waiting = "" if tip else f"waiting for block {self._settings.start_height}, the first to record"
        await self._status.say_ok(waiting, Reach(tip, node_height))


def _status_of(error: ChainError) -> ChainStatus:
    if isinstance(error, WrongNetworkError):
        return ChainStatus.WRONG_NETWORK
    return ChainStatus.SYNCING if isinstance(error, NodeWarmingUpError) else ChainStatus.DOWN
