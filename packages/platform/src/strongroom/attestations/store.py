"""All SQL of attestations: rows in, records out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from strongroom.attestations.model import Attestation, Due, Lacking
from strongroom.infra.database import Connection, load_queries
from strongroom.wallets.model import KeySetKind
from strongroom_core.ids import AddressId, MerchantId

_SQL: Final = load_queries(__package__ or "")


async def run(connection: Connection, query: str, **values: object) -> None:
    """Run a named query for its effect."""
    await connection.execute(_SQL[query], values)


async def _rows(connection: Connection, query: str, **values: object) -> list[dict[str, Any]]:
    return await (await connection.execute(_SQL[query], values)).fetchall()


async def due(
    connection: Connection, signer: str, chains: Sequence[str], now: datetime, *, batch: int, limit: int
) -> list[Due]:
    """Read what a signer is to be asked now: of each branch the next ``batch`` addresses."""
    values = {"signer": signer, "chains": list(chains), "now": now, "batch": batch, "limit": limit}
    return [_due(row) for row in await _rows(connection, "due", **values)]


def _due(row: dict[str, Any]) -> Due:
    merchant, identity = row["merchant_id"], row["identity"]
    known = {
        "kind": KeySetKind(row["kind"]),
        "merchant_id": None if merchant is None else MerchantId(merchant),
        "identity": None if identity is None else bytes(identity),
    }
    return Due(**(row | known))


async def keep(connection: Connection, words: Sequence[Attestation]) -> None:
    """Keep a signer's words for addresses of one branch, by one identity."""
    if not words:
        return
    first = words[0]
    await run(
        connection,
        "keep",
        signer=first.signer,
        identity=first.identity,
        key_set=first.key_set,
        address_ids=[item.address_id for item in words],
        indices=[item.index for item in words],
        signatures=[item.signature for item in words],
    )


async def first_disputed(connection: Connection, due: Due) -> int | None:
    """Give the lowest index of a branch that any signer derives otherwise."""
    found = await _rows(connection, "first_disputed", chain=due.chain, kind=due.kind, branch=due.branch)
    index: int | None = found[0]["index"]
    return index


async def of_addresses(connection: Connection, ids: Sequence[AddressId]) -> list[Attestation]:
    """Read what was said of addresses, in the order of address and signer."""
    return [_attestation(row) for row in await _rows(connection, "of_addresses", ids=list(ids))]


def _attestation(row: dict[str, Any]) -> Attestation:
    return Attestation(
        AddressId(row["address_id"]),
        row["signer"],
        bytes(row["identity"]),
        row["key_set"],
        row["index"],
        bytes(row["signature"]),
    )


async def lacking(connection: Connection, signers: Sequence[str]) -> list[Lacking]:
    """Count what each signer did not attest."""
    return [Lacking(**row) for row in await _rows(connection, "lacking", signers=list(signers))]
