"""The one place where a payout's state changes: checked, put on its timeline, and told by an event."""

from __future__ import annotations

from typing import Any

from strongroom.infra import outbox
from strongroom.infra.database import Connection
from strongroom.payouts import store
from strongroom.payouts.model import PAYOUT_MOVES, Payout, PayoutState


async def move(
    connection: Connection,
    payout: Payout,
    to: PayoutState,
    *,
    reason: str = "",
    tag: str = "",
    txid: str | None = None,
    height: int | None = None,
) -> bool:
    """Move a locked payout; False, and no change, where its state does not allow it (an old event, told again)."""
    if to not in PAYOUT_MOVES[payout.state]:
        return False
    place = {"merchant": payout.merchant_id, "id": payout.id}
    await store.run(connection, "move", **place, state=to, reason=reason, tag=tag, txid=txid, height=height)
    await record(connection, payout, to, reason)
    return True


async def remark(connection: Connection, payout: Payout, *, reason: str, tag: str, told: str) -> None:
    """Change why a locked payout stays where it is; ``told`` goes on its timeline."""
    place = {"merchant": payout.merchant_id, "id": payout.id}
    await store.run(connection, "set_reason", **place, reason=reason, tag=tag)
    await record(connection, payout, payout.state, told)


async def record(connection: Connection, payout: Payout, state: PayoutState, reason: str) -> None:
    """Put a state on the timeline and publish ``payout.<state>`` with the whole payout."""
    place = {"merchant": payout.merchant_id, "id": payout.id}
    await store.run(connection, "insert_moment", **place, status=state, reason=reason)
    after = await store.get(connection, payout.merchant_id, payout.id)
    if after is not None:
        await outbox.publish(connection, f"payout.{state}", payout.hold_id, view(after))


def view(payout: Payout) -> dict[str, Any]:
    """Give a payout as events carry it; amounts are strings of base units, times RFC 3339."""
    return {
        "id": payout.id,
        "merchant_id": payout.merchant_id,
        "kind": payout.kind,
        "status": payout.state,
        "status_reason": payout.reason,
        "status_tag": payout.reason_tag,
        "asset": payout.asset,
        "amount": str(payout.amount),
        "fee": str(payout.fee),
        "fee_ceiling": str(payout.fee_ceiling),
        "destination": payout.destination,
        "tag": payout.tag,
        "expires_at": payout.expires_at.isoformat(),
        "txid": payout.txid,
        "confirmed_height": payout.confirmed_height,
        "created_at": payout.created_at.isoformat(),
        "updated_at": payout.updated_at.isoformat(),
    }
