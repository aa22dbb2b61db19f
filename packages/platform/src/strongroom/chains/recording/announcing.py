"""What a watcher says of itself: how far the facts reach and whether they can be relied on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import structlog

from strongroom.chains.facts import BlockRef, StatusRow
from strongroom.chains.model import ChainStatus
from strongroom.chains.recording import store
from strongroom.infra import stops
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings

_log = structlog.get_logger(__name__)
HEARTBEAT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the facts and the node are; ``finalized`` where the chain has such a thing and it is known."""

    tip: BlockRef | None
    node_height: int | None = None
    finalized: int | None = None


def too_deep(depth: int, horizon: int) -> str:
    """Say that a block with ``depth`` confirmations was orphaned."""
    return f"a block with {depth} confirmations was orphaned, beyond the horizon of {horizon}"


class Announcer:
    """Writes the status of one chain: at every change, and now and then so that its age tells who lives."""

    def __init__(self, settings: ChainSettings, connection: Connection) -> None:
        """Speak of a chain on the connection that holds its lock."""
        self._chain = settings.id
        self._connection = connection
        self._deep_reorg: str | None = None
        self._written: StatusRow | None = None
        self._written_at = 0.0

    async def load(self) -> None:
        """Read whether a deep reorg has not been cleared yet."""
        self._deep_reorg = await store.load_deep_reorg(self._connection, self._chain)

    async def stop_crediting(self, why: str) -> None:
        """Stop crediting on this chain until an operator clears it; in the caller's transaction."""
        self._deep_reorg = why
        await stops.set_stop(self._connection, stops.Stop.CREDIT, why, "watcher", self._chain)
        _log.error("reorg too deep", chain=self._chain, reason=why)

    async def say_ok(self, detail: str, reach: Reach) -> None:
        """Say that all is well, unless a deep reorg still has to be looked at."""
        if self._deep_reorg is not None and not await store.credit_stopped(self._connection, self._chain):
            _log.info("the stop after a deep reorg was cleared", chain=self._chain)
            self._deep_reorg = None
        await self.say(ChainStatus.OK, detail, reach)

    async def say(self, status: ChainStatus, detail: str, reach: Reach) -> None:
        """Write the status where it is another one, or the last one is old."""
        row = self._row(status, detail, reach)
        if row == self._written and time.monotonic() < self._written_at + HEARTBEAT_SECONDS:
            return
        async with self._connection.transaction():
            await self._write(row)

    async def say_with(self, status: ChainStatus, detail: str, reach: Reach) -> None:
        """Write the status in the caller's transaction, with the facts that it is about."""
        await self._write(self._row(status, detail, reach))

    def _row(self, status: ChainStatus, detail: str, reach: Reach) -> StatusRow:
        """Make the row; a deep reorg outlasts ``ok`` until an operator has cleared it."""
        deep, tip = self._deep_reorg, reach.tip
        if deep is not None and status == ChainStatus.OK:
            status, detail = ChainStatus.REORG_TOO_DEEP, deep
        height, block_hash = (tip.height, tip.block_hash) if tip else (None, None)
        return StatusRow(status, height, block_hash, reach.node_height, detail, deep, reach.finalized)

    async def _write(self, row: StatusRow) -> None:
        await store.write_status(self._connection, self._chain, row)
        if self._written is None or row.status != self._written.status:
            _log.info("chain status", chain=self._chain, status=row.status, detail=row.detail)
        self._written, self._written_at = row, time.monotonic()
