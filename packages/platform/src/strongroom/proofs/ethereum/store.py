"""All SQL of finding what to prove on an EVM chain: rows in, records out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from strongroom.infra.database import Connection, load_queries
from strongroom.proofs.ethereum.model import Found

_SQL: Final = load_queries(__package__ or "")


async def _rows(connection: Connection, query: str, **values: object) -> list[dict[str, Any]]:
    return await (await connection.execute(_SQL[query], values)).fetchall()


async def first_unread(connection: Connection, chain: str) -> int | None:
    """Give the first block that was not read yet; None while nothing was ever paid to a forwarder."""
    height = (await _rows(connection, "first_unread", chain=chain))[0]["height"]
    return None if height is None else int(height)


async def advance(connection: Connection, chain: str, heights: range) -> bool:
    """Note that a range was read; False where another process did that before."""
    return bool(await _rows(connection, "advance", chain=chain, first=heights.start, next=heights.stop))


async def want_sweeps(connection: Connection, chain: str, found: Sequence[Found]) -> None:
    """Have sweeps proven to every signer; what is wanted already stays as it is."""
    addresses = [item.address_id for item in found]
    await connection.execute(_SQL["want_sweeps"], {**_places(chain, found), "addresses": addresses})


async def want_executions(connection: Connection, chain: str, found: Sequence[Found]) -> None:
    """Have those executions proven at whose nonce a signer may have signed something else as well."""
    effects = [item.effect for item in found]
    await connection.execute(_SQL["want_executions"], {**_places(chain, found), "effects": effects})


def _places(chain: str, found: Sequence[Found]) -> dict[str, Any]:
    return {
        "chain": chain,
        "subjects": [item.subject for item in found],
        "txids": [item.txid for item in found],
        "places": [item.log_index for item in found],
        "heights": [item.height for item in found],
        "block_hashes": [item.block_hash for item in found],
    }
