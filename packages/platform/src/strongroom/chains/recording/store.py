"""All that a watcher asks of the database and writes to it.

One connection does both: it holds the chain's advisory lock for its session, so that a watcher that has lost the lock
has lost the way to write as well.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from psycopg import Error
from psycopg.rows import tuple_row
from psycopg_pool import PoolTimeout

from strongroom.chains.errors import WatcherBusyError
from strongroom.chains.facts import BlockRef, Fact, SeenTx, StatusRow
from strongroom.chains.model import EventKind
from strongroom.infra.database import Connection, Pool, load_queries

_SQL = load_queries("strongroom.chains")
DATABASE_LOST: Final = (Error, PoolTimeout, OSError)


@dataclass(frozen=True, slots=True)
class OpenRow:
    """An unconfirmed chain tx of ours, the event that it stands on, its bytes; ``pending`` before its first block."""

    txid: str
    source: int
    raw: bytes
    pending: bool = False


@asynccontextmanager
async def sole_writer(pool: Pool, chain: str) -> AsyncIterator[Connection]:
    """Borrow the one connection that may write a chain's facts. Raises ``WatcherBusyError`` while another has it."""
    async with pool.connection() as connection:
        # Reads stand alone; what is written together is in an explicit transaction.
        await connection.set_autocommit(True)
        row = await (await connection.execute(_SQL["lock_chain"], [chain])).fetchone()
        try:
            if row is None or not row["mine"]:
                message = f"another watcher writes the facts of {chain}; this one stands by"
                raise WatcherBusyError(message)
            yield connection
        finally:
            await _unlock(connection)


async def _unlock(connection: Connection) -> None:
    if connection.broken or connection.closed:
        return
    await connection.rollback()
    await connection.execute(_SQL["unlock_all"])
    await connection.set_autocommit(False)


async def load_tip(connection: Connection, chain: str) -> BlockRef | None:
    """Read the tip of the active chain from the event log; None where nothing is connected."""
    row = await (await connection.execute(_SQL["last_block_event"], [chain])).fetchone()
    if row is None:
        return None
    return await load_block(connection, chain, row["height"] - (row["kind"] == EventKind.DISCONNECTED))


async def load_block(connection: Connection, chain: str, height: int) -> BlockRef | None:
    """Read the active block at a height at or below the tip; None below the first one."""
    row = await (await connection.execute(_SQL["active_block"], {"chain": chain, "height": height})).fetchone()
    if row is None or row["kind"] != EventKind.CONNECTED:
        return None
    return BlockRef(row["height"], row["block_hash"], row["parent_hash"], row["block_time"], row["id"])


async def load_peak(connection: Connection, chain: str, event_id: int) -> int:
    """Find the highest height that was connected since an event."""
    row = await (await connection.execute(_SQL["peak_since"], {"chain": chain, "event_id": event_id})).fetchone()
    return int(row["height"]) if row and row["height"] is not None else 0


async def load_scripts(connection: Connection, chain: str, floor: str | None) -> tuple[list[bytes], str]:
    """Read what is watched, or what became so since ``floor`` (some of it again), and the floor for the next time."""
    row = await (await connection.execute(_SQL["snapshot_floor"])).fetchone()
    async with connection.cursor(binary=True, row_factory=tuple_row) as cursor:  # a million rows: no hex, no dicts
        if floor is None:
            await cursor.execute(_SQL["all_scripts"], [chain])
        else:
            await cursor.execute(_SQL["scripts_since"], {"chain": chain, "floor": floor})
        return [script for (script,) in await cursor.fetchall()], str(row["floor"]) if row else "0"


async def load_coins(connection: Connection, chain: str) -> list[tuple[str, int]]:
    """Read every coin of ours that was ever seen."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_SQL["all_coins"], [chain])
        return await cursor.fetchall()


async def load_open(connection: Connection, chain: str) -> list[OpenRow]:
    """Read the chain txs of ours that are neither confirmed nor gone."""
    cursor = await connection.execute(_SQL["open_txs"], {"chain": chain})
    return [OpenRow(row["txid"], row["source"], bytes(row["raw"]), row["pending"]) for row in await cursor.fetchall()]


async def load_txs(connection: Connection, chain: str, event_id: int) -> list[OpenRow]:
    """Read the chain txs of a ``connected`` event."""
    cursor = await connection.execute(_SQL["txs_of_event"], {"chain": chain, "event_id": event_id})
    return [OpenRow(row["txid"], event_id, bytes(row["raw"])) for row in await cursor.fetchall()]


async def load_deep_reorg(connection: Connection, chain: str) -> str | None:
    """Read what was said of a reorg that was too deep, while the stop that came with it is not cleared."""
    row = await (await connection.execute(_SQL["read_status"], [chain])).fetchone()
    return row["deep_reorg"] if row else None


async def write_status(connection: Connection, chain: str, row: StatusRow) -> None:
    """Say how the watcher stands."""
    values = {
        "chain": chain,
        "status": row.status,
        "height": row.height,
        "hash": row.block_hash,
        "node_height": row.node_height,
        "detail": row.detail,
        "deep_reorg": row.deep_reorg,
        "finalized_height": row.finalized_height,
    }
    await connection.execute(_SQL["write_status"], values)


async def record(connection: Connection, chain: str, facts: Sequence[Fact]) -> list[int]:
    """Write facts in their order; the ids of their events."""
    if not facts:
        return []
    cursor = await connection.execute(_SQL["insert_events"], {"chain": chain, **_event_columns(facts)})
    ids = sorted(row["id"] for row in await cursor.fetchall())
    seen = [(event, place, tx) for event, fact in zip(ids, facts, strict=True) for place, tx in enumerate(fact.txs)]
    if seen:
        await _record_txs(connection, chain, seen)
    return ids


def _event_columns(facts: Sequence[Fact]) -> dict[str, list[Any]]:
    blocks = [fact.block for fact in facts]
    return {
        "kinds": [fact.kind for fact in facts],
        "heights": [block and block.height for block in blocks],
        "hashes": [block and block.block_hash for block in blocks],
        "parents": [block and block.parent_hash for block in blocks],
        "times": [block and block.block_time for block in blocks],
        "txids": [fact.txid for fact in facts],
        "reasons": [fact.reason for fact in facts],
        "replaced": [fact.replaced_by for fact in facts],
        "undoes": [fact.undoes for fact in facts],
    }


async def _record_txs(connection: Connection, chain: str, seen: list[tuple[int, int, SeenTx]]) -> None:
    await connection.execute(
        _SQL["insert_txs"],
        {
            "events": [event for event, _, _ in seen],
            "positions": [place for _, place, _ in seen],
            "txids": [tx.observed.txid for _, _, tx in seen],
            "rbfs": [tx.observed.rbf for _, _, tx in seen],
        },
    )
    await connection.execute(
        _SQL["insert_raws"],
        {
            "chain": chain,
            "txids": [tx.observed.txid for _, _, tx in seen],
            "raws": [tx.raw for _, _, tx in seen],
        },
    )
    await _record_outputs(connection, seen)
    await _record_spends(connection, seen)


async def _record_outputs(connection: Connection, seen: list[tuple[int, int, SeenTx]]) -> None:
    rows = [(event, tx.observed.txid, output) for event, _, tx in seen for output in tx.observed.outputs]
    await connection.execute(
        _SQL["insert_outputs"],
        {
            "events": [event for event, _, _ in rows],
            "txids": [txid for _, txid, _ in rows],
            "vouts": [output.vout for _, _, output in rows],
            "scripts": [output.script for _, _, output in rows],
            "amounts": [output.amount for _, _, output in rows],
            "coinbases": [output.coinbase for _, _, output in rows],
            "assets": [output.asset for _, _, output in rows],
        },
    )


async def _record_spends(connection: Connection, seen: list[tuple[int, int, SeenTx]]) -> None:
    rows = [(event, tx.observed.txid, spend) for event, _, tx in seen for spend in tx.observed.spends]
    await connection.execute(
        _SQL["insert_spends"],
        {
            "events": [event for event, _, _ in rows],
            "txids": [txid for _, txid, _ in rows],
            "vins": [spend.vin for _, _, spend in rows],
            "prev_txids": [spend.prev_txid for _, _, spend in rows],
            "prev_vouts": [spend.prev_vout for _, _, spend in rows],
            "effects": [spend.effect for _, _, spend in rows],
            "successes": [spend.success for _, _, spend in rows],
        },
    )


async def credit_stopped(connection: Connection, chain: str) -> bool:
    """Whether the stop of crediting that a deep reorg set for this chain still stands."""
    row = await (await connection.execute(_SQL["credit_stopped"], [chain])).fetchone()
    return row is not None
