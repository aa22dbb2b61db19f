"""Facts before they are written: what a watcher hands to the store, in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from strongroom.chains.model import EventKind, ObservedTx, RemovalReason


@dataclass(frozen=True, slots=True)
class SeenTx:
    """A chain tx that concerns us, with all of its bytes."""

    observed: ObservedTx
    raw: bytes


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block of the recorded active chain; ``event_id`` is its ``connected`` event."""

    height: int
    block_hash: str
    parent_hash: str
    block_time: datetime
    event_id: int = 0


@dataclass(frozen=True, slots=True)
class Fact:
    """One event to write; which fields are filled goes by ``kind`` (the table checks it)."""

    kind: EventKind
    block: BlockRef | None = None
    txid: str | None = None
    reason: RemovalReason | None = None
    replaced_by: str | None = None
    undoes: int | None = None
    txs: tuple[SeenTx, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusRow:
    """What the watcher says of itself."""

    status: str
    height: int | None
    block_hash: str | None
    node_height: int | None
    detail: str
    deep_reorg: str | None
    finalized_height: int | None = None
