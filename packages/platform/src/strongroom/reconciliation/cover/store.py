"""What the independent look reads, as the auditor's role."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from psycopg.rows import DictRow

from strongroom.infra.database import Connection, load_queries
from strongroom.ledger.model import AccountType, BreachKind
from strongroom.reconciliation.cover.model import BookSums, SignerProof
from strongroom.reconciliation.model import DifferenceName

_SQL: Final = load_queries(__package__ or "")


async def books(connection: Connection) -> list[BookSums]:
    """Read every asset's books; in one snapshot they are of one moment."""
    sums: dict[str, dict[AccountType, int]] = defaultdict(dict)
    for row in await _rows(connection, "sums"):
        sums[row["asset"]][AccountType(row["type"])] = int(row["total"])
    standing: dict[str, dict[BreachKind, int]] = defaultdict(dict)
    for row in await _rows(connection, "standing"):
        standing[row["asset"]][BreachKind(row["kind"])] = int(row["size"])
    wrong = await _reconciled(connection, DifferenceName.BALANCE_ENTRIES)
    return [BookSums(asset, sums[asset], standing.get(asset, {}), abs(wrong.get(asset, 0))) for asset in sorted(sums)]


async def missing(connection: Connection) -> Mapping[str, int]:
    """Give by asset what the last scan of the chain found less than it should; more is no concern here."""
    return {
        asset: short
        for asset, short in (await _reconciled(connection, DifferenceName.BOOKS_CHAIN)).items()
        if short > 0
    }


async def signers(connection: Connection) -> dict[str, list[SignerProof]]:
    """Read every binding signer's own books by asset, where it can be told what it should have by now."""
    found: dict[str, list[SignerProof]] = defaultdict(list)
    for row in await _rows(connection, "signers"):
        if not row["sweeps_unproven"]:
            amounts = (int(row[name]) for name in ("total", "unproven", "being_signed"))
            found[row["asset"]].append(SignerProof(row["signer"], *amounts))
    return found


async def _reconciled(connection: Connection, name: DifferenceName) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for row in await _rows(connection, "reconciled"):
        if row["name"] == name:
            found[row["asset"]] += int(row["expected"]) - int(row["found"])
    return found


async def _rows(connection: Connection, name: str) -> list[DictRow]:
    return await (await connection.execute(_SQL[name])).fetchall()
