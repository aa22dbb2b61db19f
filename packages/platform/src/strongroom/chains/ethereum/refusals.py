"""Tokens that are refused, and what arrived of them meanwhile: kept, and told of once the token is accepted again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.chains.ethereum.keccak import keccak
from strongroom.chains.ethereum.memory import write_reading
from strongroom.chains.facts import SeenTx
from strongroom.chains.model import ObservedOutput
from strongroom.infra.database import Connection, load_queries

_SQL = load_queries("strongroom.chains.ethereum")
RELEASED_VOUT: Final = 3_000_000
RELEASED_AT_ONCE: Final = 500
Place = tuple[int, str, int]  # event, txid, vout


@dataclass(frozen=True, slots=True)
class Release:
    """What was held and is to be told of now, as one record of its own, and where it was held."""

    places: tuple[Place, ...]
    seen: SeenTx


async def refuse(connection: Connection, chain: str, asset: str, reason: str, height: int) -> None:
    """Write that a token is refused from a block on; the first reason stays until it is accepted."""
    await connection.execute(_SQL["refuse_token"], {"chain": chain, "asset": asset, "reason": reason, "height": height})


async def accept(connection: Connection, chain: str, asset: str) -> bool:
    """Write that a token is believed again; False where it is not refused."""
    cursor = await connection.execute(_SQL["accept_token"], {"chain": chain, "asset": asset})
    return await cursor.fetchone() is not None


async def hold(connection: Connection, held: Sequence[tuple[int, str, ObservedOutput]]) -> None:
    """Keep what arrived of refused tokens, by event and chain tx."""
    if not held:
        return
    await connection.execute(
        _SQL["hold_outputs"],
        {
            "events": [event for event, _, _ in held],
            "txids": [txid for _, txid, _ in held],
            "vouts": [output.vout for _, _, output in held],
            "scripts": [output.script for _, _, output in held],
            "amounts": [output.amount for _, _, output in held],
            "assets": [output.asset for _, _, output in held],
        },
    )


async def load_release(connection: Connection, chain: str, height: int) -> Release | None:
    """Read what is held, on blocks up to a final height, of tokens that are accepted again; None where nothing is."""
    values = {"chain": chain, "height": height, "limit": RELEASED_AT_ONCE}
    rows = await (await connection.execute(_SQL["releasable_outputs"], values)).fetchall()
    if not rows:
        return None
    places = tuple((int(row["event_id"]), str(row["txid"]), int(row["vout"])) for row in rows)
    outputs = tuple(
        ObservedOutput(RELEASED_VOUT + n, bytes(row["script"]), int(row["amount"]), coinbase=False, asset=row["asset"])
        for n, row in enumerate(rows)
    )
    name = "0x" + keccak(json.dumps(["strongroom released", chain, places]).encode()).hex()
    return Release(places, write_reading(name, height, outputs))


async def released(connection: Connection, release: Release, event_id: int) -> None:
    """Write by which event was told of what had been held."""
    events, txids, vouts = zip(*release.places, strict=True)
    values = {"event": event_id, "events": list(events), "txids": list(txids), "vouts": list(vouts)}
    await connection.execute(_SQL["release_outputs"], values)
