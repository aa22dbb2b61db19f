"""All SQL of gathering and of payables by asset: rows in, records out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from strongroom.infra.database import Connection, load_queries
from strongroom.treasury.ethereum.model import Gathering, GatherState, Heap, Ungathered
from strongroom_core.ids import AddressId

_SQL: Final = load_queries(__package__ or "")
Row = dict[str, Any]


async def run(connection: Connection, query: str, **values: object) -> None:
    """Run a named query for its effect."""
    await connection.execute(_SQL[query], values)


async def rows(connection: Connection, query: str, **values: object) -> list[Row]:
    """Run a named query and give its rows."""
    return await (await connection.execute(_SQL[query], values)).fetchall()


async def queued_total(connection: Connection, chain: str, asset: str) -> int:
    """Sum what waits of an asset, in base units."""
    return int((await rows(connection, "queued_total", chain=chain, asset=asset))[0]["total"])


async def short_assets(connection: Connection, chain: str) -> frozenset[str]:
    """Give the assets that payouts wait for because hot cannot cover them."""
    return frozenset(row["asset"] for row in await rows(connection, "short_assets", chain=chain))


async def unproven_needs(connection: Connection, chain: str) -> dict[tuple[str, str], int]:
    """Sum payouts that wait for money not proven to the signers yet, in base units by (merchant id, asset id)."""
    found = await rows(connection, "unproven_needs", chain=chain)
    return {(row["merchant_id"], row["asset"]): int(row["needed"]) for row in found}


async def gathered_since(connection: Connection, chain: str, since: datetime) -> list[str]:
    """Give the chain txs of the gatherings that were over after a time."""
    return [row["txid"] for row in await rows(connection, "gathered_since", chain=chain, since=since)]


async def take_turn(connection: Connection, chain: str) -> bool:
    """Be the only one that gathers on a chain until the end of the transaction."""
    return bool((await rows(connection, "take_turn", chain=chain))[0]["mine"])


async def insert(connection: Connection, gathering: str, chain: str, heaps: Sequence[Heap]) -> None:
    """Record what is about to be swept."""
    await run(connection, "insert_gathering", id=gathering, chain=chain)
    await run(
        connection,
        "insert_heaps",
        id=gathering,
        addresses=[heap.address_id for heap in heaps],
        branches=[heap.branch for heap in heaps],
        indexes=[heap.index for heap in heaps],
        scripts=[heap.script for heap in heaps],
        assets=[heap.asset for heap in heaps],
        amounts=[heap.amount for heap in heaps],
    )


async def open_gatherings(connection: Connection, chain: str) -> list[Gathering]:
    """Read what is with the relayer."""
    found = []
    for row in await rows(connection, "open_gatherings", chain=chain):
        heaps = tuple([_heap(item) for item in await rows(connection, "heaps", id=row["id"])])
        found.append(Gathering(row["id"], row["chain"], GatherState(row["state"]), row["created_at"], heaps))
    return found


async def stuck_now(connection: Connection, chain: str, now: datetime) -> set[tuple[str, str]]:
    """Give (address id, asset) that would not move lately."""
    return {(row["address_id"], row["asset"]) for row in await rows(connection, "stuck_now", chain=chain, now=now)}


async def note_waiting(
    connection: Connection, chain: str, totals: Mapping[str, tuple[int, int]], now: datetime
) -> None:
    """Keep what waits on forwarders, by asset (base units, how many); its age counts from when there first was some."""
    assets = sorted(totals)
    await run(
        connection,
        "note_waiting",
        chain=chain,
        assets=assets,
        amounts=[totals[asset][0] for asset in assets],
        counts=[totals[asset][1] for asset in assets],
        sinces=[now for _ in assets],
    )
    await run(connection, "note_empty", chain=chain, assets=assets)


async def waiting(connection: Connection, chain: str | None = None) -> list[Ungathered]:
    """Read size and age of what waits on forwarders, of one chain or of all."""
    found = await rows(connection, "waiting", chain=chain)
    return [Ungathered(row["asset"], row["amount"], row["forwarders"], row["since"]) for row in found]


async def oldest(connection: Connection, chain: str) -> Mapping[str, datetime]:
    """Give since when forwarders have held each asset."""
    return {item.asset: item.since for item in await waiting(connection, chain)}


def _heap(row: Row) -> Heap:
    return Heap(
        AddressId(row["address_id"]), row["branch"], row["index"], bytes(row["script"]), row["asset"], row["amount"]
    )
