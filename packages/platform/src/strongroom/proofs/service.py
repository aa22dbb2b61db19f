"""What other rooms ask about proofs: what signers lack, and that they be shown something again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from strongroom.infra.database import Connection
from strongroom.proofs import store
from strongroom.proofs.model import Difference, ProofState, Unproven


async def unproven(connection: Connection) -> list[Unproven]:
    """Count, for each signer and chain, what is deep enough for us and not in that signer's own books."""
    return await store.unproven(connection)


async def proven_by(connection: Connection, subjects: Sequence[str]) -> dict[str, set[str]]:
    """Give the signers that have each subject (a deposit's or slot's id) in their books, from its block of now."""
    found: dict[str, set[str]] = {subject: set() for subject in subjects}
    for row in await store.answers(connection, subjects):
        if row["state"] == ProofState.PROVEN:
            found[row["subject"]].add(row["signer"])
    return found


async def offer_again(connection: Connection, chain_id: str, subjects: Sequence[str], now: datetime) -> None:
    """Have every signer shown these again, though it said that it has them; for a difference between books."""
    values = {"chain": chain_id, "subjects": list(subjects)}
    await store.run(connection, "reopen", **values)
    await store.run(connection, "forget", now=now, **values)


async def cover(connection: Connection, merchants: Sequence[str], asset: str) -> dict[str, int] | None:
    """Give what of an asset (CAIP-19) every signer would pay for each merchant, in base units.

    None where no signer's own books bind it, as on a test network without that rule.
    """
    if not merchants:
        return {}
    return await store.cover(connection, sorted(set(merchants)), asset) or None


async def differences(connection: Connection) -> list[Difference]:
    """Give where our books exceed a signer's and nothing explains it; oldest first."""
    return await store.differences(connection)
