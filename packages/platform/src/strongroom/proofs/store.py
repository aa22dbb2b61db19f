"""All SQL of proofs: rows in, records out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from strongroom.infra.database import Connection, load_queries
from strongroom.proofs.model import Answer, Difference, Place, ProofKind, Unproven, Wanted
from strongroom_core.ids import AddressId

_SQL: Final = load_queries(__package__ or "")


async def run(connection: Connection, query: str, **values: object) -> None:
    """Run a named query for its effect."""
    await connection.execute(_SQL[query], values)


async def _rows(connection: Connection, query: str, **values: object) -> list[dict[str, Any]]:
    return await (await connection.execute(_SQL[query], values)).fetchall()


async def due(
    connection: Connection, place: Place, signer: str, kinds: Sequence[ProofKind], now: datetime, limit: int
) -> list[Wanted]:
    """Read what a signer is to be shown now."""
    names = [kind.value for kind in kinds]
    where = {"chain": place.chain, "tip": place.tip, "deep": place.deep}
    found = await _rows(connection, "due", signer=signer, kinds=names, now=now, limit=limit, **where)
    return [_wanted(row) for row in found]


def _wanted(row: dict[str, Any]) -> Wanted:
    address = AddressId(row["address_id"]) if row["address_id"] is not None else None
    values = {**row, "kind": ProofKind(row["kind"]), "address_id": address}
    return Wanted(**values)


async def record(connection: Connection, signer: str, answers: Sequence[Answer]) -> None:
    """Keep what a signer said, in place of what it said before."""
    await run(
        connection,
        "record",
        signer=signer,
        subjects=[item.wanted.subject for item in answers],
        states=[item.state.value for item in answers],
        rows=[item.row for item in answers],
        tags=[item.tag for item in answers],
        reasons=[item.reason for item in answers],
        block_hashes=[item.wanted.block_hash for item in answers],
        settleds=[item.settled for item in answers],
        attempts=[item.wanted.attempts + 1 for item in answers],
        retry_ats=[item.retry_at for item in answers],
        tips=[item.tip for item in answers],
        ats=[item.at for item in answers],
    )


async def refusals(connection: Connection, chain: str, signer: str) -> tuple[int, datetime | None]:
    """Give how often in a row a signer refused whole requests about a chain, and until when it is left alone."""
    found = await _rows(connection, "signer", chain=chain, signer=signer)
    return (found[0]["attempts"], found[0]["retry_at"]) if found else (0, None)


async def unproven(connection: Connection) -> list[Unproven]:
    """Count what each signer lacks."""
    return [Unproven(**row) for row in await _rows(connection, "unproven")]


async def answers(connection: Connection, subjects: Sequence[str]) -> list[dict[str, Any]]:
    """Read what signers said of subjects, as these stand now."""
    return await _rows(connection, "answers", subjects=list(subjects))


async def books_row(connection: Connection, signer: str) -> tuple[int, bool] | None:
    """Read as of which journal row we have a signer's books, and whether they bind."""
    found = await _rows(connection, "books_row", signer=signer)
    return (found[0]["row"], found[0]["binding"]) if found else None


async def note_balances(connection: Connection, signer: str, balances: Sequence[tuple[str, str, int]]) -> None:
    """Keep a page of a signer's books: (holder, asset, base units)."""
    holders, assets, amounts = ([item[at] for item in balances] for at in range(3))
    await run(connection, "note_balances", signer=signer, holders=holders, assets=assets, amounts=amounts)


async def cover(connection: Connection, merchants: Sequence[str], asset: str) -> dict[str, int]:
    """Read the least that any binding signer's books hold of each merchant; nothing where none bind."""
    found = await _rows(connection, "cover", merchants=list(merchants), asset=asset)
    return {row["merchant"]: int(row["amount"]) for row in found}


async def compare(connection: Connection) -> list[tuple[str, str, str, int]]:
    """Read where our books exceed a signer's without a name: (holder, asset, signer, base units)."""
    found = await _rows(connection, "compare")
    return [(row["holder"], row["asset"], row["signer"], int(row["amount"])) for row in found]


async def note_differences(connection: Connection, found: Sequence[tuple[str, str, str, int]], now: datetime) -> None:
    """Keep what differs now."""
    names = ("holders", "assets", "signers", "amounts")
    values = {name: [item[at] for item in found] for at, name in enumerate(names)}
    await run(connection, "note_differences", now=now, **values)


async def differences(connection: Connection, query: str = "differences", **values: object) -> list[Difference]:
    """Read open differences, or those that a query has just cleared or alarmed."""
    return [Difference(**{**row, "amount": int(row["amount"])}) for row in await _rows(connection, query, **values)]
