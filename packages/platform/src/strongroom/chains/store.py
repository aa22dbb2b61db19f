"""All that the chain room asks of the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from strongroom.chains.model import (
    ChainEvent,
    ChainStatus,
    EventKind,
    ObservedOutput,
    ObservedSpend,
    ObservedTx,
    RemovalReason,
    Tip,
)
from strongroom.infra.database import Connection, load_queries

_SQL = load_queries(__package__ or "")
_Row = dict[str, Any]


async def watch(connection: Connection, chain: str, scripts: Sequence[bytes]) -> None:
    """Add scripts; those that are watched already stay as they are."""
    if scripts:
        await connection.execute(_SQL["watch_scripts"], {"chain": chain, "scripts": list(scripts)})


async def read_events(connection: Connection, chain: str, after: int, limit: int) -> list[ChainEvent]:
    """Read events past ``after`` in order, each with its chain txs."""
    cursor = await connection.execute(_SQL["read_events"], {"chain": chain, "after": after, "limit": limit})
    rows = await cursor.fetchall()
    txs = await _observed(connection, sorted({row["source"] for row in rows}))
    return [_event(row, txs[row["source"]]) for row in rows]


async def _observed(connection: Connection, sources: list[int]) -> dict[int, list[ObservedTx]]:
    if not sources:
        return defaultdict(list)
    outputs: dict[tuple[int, str], list[ObservedOutput]] = defaultdict(list)
    for row in await (await connection.execute(_SQL["event_outputs"], [sources])).fetchall():
        key = row.pop("event_id"), row.pop("txid")
        outputs[key].append(ObservedOutput(**row))
    spends: dict[tuple[int, str], list[ObservedSpend]] = defaultdict(list)
    for row in await (await connection.execute(_SQL["event_spends"], [sources])).fetchall():
        key = row.pop("event_id"), row.pop("txid")
        spends[key].append(ObservedSpend(**row))
    txs: dict[int, list[ObservedTx]] = defaultdict(list)
    for row in await (await connection.execute(_SQL["event_txs"], [sources])).fetchall():
        key = row["event_id"], row["txid"]
        txs[row["event_id"]].append(ObservedTx(row["txid"], row["rbf"], tuple(outputs[key]), tuple(spends[key])))
    return txs


def _event(row: _Row, txs: list[ObservedTx]) -> ChainEvent:
    txid = row["txid"]
    return ChainEvent(
        id=row["id"],
        chain=row["chain"],
        kind=EventKind(row["kind"]),
        height=row["height"],
        block_hash=row["block_hash"],
        block_time=row["block_time"],
        parent_hash=row["parent_hash"],
        reason=RemovalReason(row["reason"]) if row["reason"] else None,
        replaced_by=row["replaced_by"],
        txs=tuple(tx for tx in txs if txid is None or tx.txid == txid),
    )


async def take_cursor(connection: Connection, consumer: str, chain: str) -> int:
    """Lock a consumer's cursor for this transaction and give the last event it has handled, 0 at first."""
    key = {"consumer": consumer, "chain": chain}
    await connection.execute(_SQL["make_cursor"], key)
    row = await (await connection.execute(_SQL["take_cursor"], key)).fetchone()
    return int(row["event_id"]) if row else 0


async def cursor(connection: Connection, consumer: str, chain: str) -> int:
    """Read the last event that a consumer has handled, 0 at first."""
    row = await (await connection.execute(_SQL["cursor"], {"consumer": consumer, "chain": chain})).fetchone()
    return int(row["event_id"]) if row else 0


async def advance_cursor(connection: Connection, consumer: str, chain: str, event_id: int) -> None:
    """Move a consumer's cursor forward; never back."""
    key = {"consumer": consumer, "chain": chain, "event_id": event_id}
    await connection.execute(_SQL["advance_cursor"], key)


async def tip(connection: Connection, chain: str) -> Tip | None:
    """Read what the watcher says of itself."""
    row = await (await connection.execute(_SQL["tip"], [chain])).fetchone()
    return Tip(**{**row, "status": ChainStatus(row["status"])}) if row else None


async def raw_txs(connection: Connection, chain: str, txids: Sequence[str]) -> dict[str, bytes]:
    """Read recorded chain txs in full."""
    cursor = await connection.execute(_SQL["raw_txs"], {"chain": chain, "txids": list(txids)})
    return {row["txid"]: bytes(row["raw"]) for row in await cursor.fetchall()}


async def ever_came(connection: Connection, asset: str) -> bool:
    """Whether any fact is about an asset; looks at all facts where none is."""
    row = await (await connection.execute(_SQL["ever_came"], [asset])).fetchone()
    return bool(row and row["found"])
