"""All SQL of payouts: rows in, records out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from strongroom.infra.database import Connection, load_queries
from strongroom.payouts.model import OWES_TAG, Moment, Payout, PayoutKind, PayoutState
from strongroom_core.ids import HoldId, MerchantId, PayoutId
from strongroom_core.intents import PaymentIntent, SignedIntent

_SQL: Final = load_queries(__package__ or "")


async def run(connection: Connection, query: str, **values: object) -> None:
    """Run a named query for its effect."""
    await connection.execute(_SQL[query], values)


async def rows(connection: Connection, query: str, **values: object) -> list[dict[str, Any]]:
    """Run a named query and give its rows."""
    return await (await connection.execute(_SQL[query], values)).fetchall()


async def insert(
    connection: Connection,
    intent: PaymentIntent,
    signed: SignedIntent,
    *,
    kind: PayoutKind,
    chain: str,
    fee: int,
    expires_at: object,
) -> bool:
    """Record a payout whose hold is still to come; False where its id is taken."""
    found = await rows(
        connection,
        "insert",
        merchant=intent.merchant,
        id=intent.payout,
        kind=kind,
        asset=intent.asset,
        chain=chain,
        amount=intent.amount,
        fee=fee,
        fee_ceiling=intent.fee_ceiling,
        destination=intent.destination,
        tag=intent.tag,
        expires_at=expires_at,
        intent=signed.intent,
        public_key=signed.public_key,
        signature=signed.signature,
    )
    return bool(found)


async def get(connection: Connection, merchant_id: str, payout_id: str, *, lock: bool = False) -> Payout | None:
    """Read one payout of a merchant."""
    found = await rows(connection, "lock" if lock else "get", merchant=merchant_id, id=payout_id)
    return _payout(found[0]) if found else None


async def list_payouts(connection: Connection, merchant_id: str, cursor: str | None, limit: int) -> list[Payout]:
    """Read a merchant's payouts, newest first, after the one that ``cursor`` names."""
    found = await rows(connection, "list", merchant=merchant_id, cursor=cursor, limit=limit)
    return [_payout(row) for row in found]


async def waiting_otherwise(
    connection: Connection, merchants: Sequence[str], asset: str, owing: Sequence[str]
) -> list[Payout]:
    """Lock and read the waiting payouts of ``merchants`` whose reason is not what ``owing`` says."""
    values = {"merchants": list(merchants), "asset": asset, "owing": list(owing), "tag": OWES_TAG}
    return [_payout(row) for row in await rows(connection, "waiting_otherwise", **values)]


async def timeline(connection: Connection, merchant_id: str, payout_id: str) -> list[Moment]:
    """Read a payout's life, oldest first."""
    found = await rows(connection, "timeline", merchant=merchant_id, id=payout_id)
    return [Moment(PayoutState(row["status"]), row["at"], row["reason"]) for row in found]


def _payout(row: dict[str, Any]) -> Payout:
    fields = {name: row[name] for name in Payout.__dataclass_fields__}
    kept = {
        "id": PayoutId(row["id"]),
        "merchant_id": MerchantId(row["merchant_id"]),
        "hold_id": HoldId(row["hold_id"]),
        "kind": PayoutKind(row["kind"]),
        "state": PayoutState(row["state"]),
        "intent": bytes(row["intent"]),
        "public_key": bytes(row["public_key"]),
    }
    return Payout(**fields | kept)
