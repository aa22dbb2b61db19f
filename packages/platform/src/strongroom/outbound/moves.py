"""The one place where a slot's state changes: the move is checked, recorded in the history, and told by an event."""

from __future__ import annotations

from typing import Any

from strongroom.infra import outbox
from strongroom.infra.database import Connection
from strongroom.outbound import books, store
from strongroom.outbound.model import SLOT_MOVES, OpenSlot, Outcome, Payment, Slot, SlotState, Version, Void
from strongroom_core.errors import StrongroomError


class MoveError(StrongroomError):
    """A move that the table of moves does not allow: a bug, or two processes at once; nothing was changed."""

    code = "move-not-allowed"


async def move(
    connection: Connection, state: OpenSlot, to: SlotState, reason: str = "", tag: str = "", *, released: bool = False
) -> None:
    """Move a locked slot, and publish ``outbound.<state>`` with the whole slot. Raises ``MoveError``.

    ``released``: the money of its payouts goes back to their merchants; they are not planned again.
    """
    slot = state.slot
    if to not in SLOT_MOVES[slot.state]:
        message = f"{slot.id} cannot go from {slot.state} to {to}"
        raise MoveError(message)
    await store.run(connection, "set_state", slot=slot.id, state=to, reason=reason)
    await store.run(connection, "insert_history", slot=slot.id, arrow=f"{slot.state} → {to}", reason=reason)
    after = await store.load(connection, slot.id)
    await outbox.publish(connection, f"outbound.{to}", slot.id, view(after) | {"tag": tag, "released": released})


async def abandon(
    connection: Connection, state: OpenSlot, reason: str, tag: str = "", *, released: bool = False
) -> None:
    """End a slot that will never be mined: its coins and payments are free again; ``tag`` names a refusing rule."""
    await store.run(connection, "abandon_versions", slot=state.slot.id)
    await store.run(connection, "free_coins", slot=state.slot.id)
    await store.run(connection, "free_payments", slot=state.slot.id)
    await move(connection, state, SlotState.ABANDONED, reason, tag, released=released)


async def finalise(connection: Connection, state: OpenSlot, version: Version) -> None:
    """End a slot whose chain tx is beyond the horizon, and settle it in the books."""
    await store.run(connection, "settle_versions", slot=state.slot.id, txid=version.txid)
    await store.run(connection, "free_coins", slot=state.slot.id)
    await store.run(connection, "moot_voids", slot=state.slot.id)
    await books.settle(connection, state, version)
    await move(connection, state, SlotState.FINAL)


async def tell_released(connection: Connection, payment: Payment, outcome: Outcome, tag: str, reason: str) -> None:
    """Publish `outbound.released`: the money of a payout is back with its merchant."""
    payload = {
        "hold_id": payment.hold_id,
        "payout_id": payment.payout_id,
        "merchant_id": payment.merchant_id,
        "outcome": outcome,
        "tag": tag,
        "reason": reason,
    }
    await outbox.publish(connection, "outbound.released", payment.hold_id, payload)


async def tell_suspense(connection: Connection, state: OpenSlot, payment: Payment) -> None:
    """Publish `outbound.suspense`: the chain paid a payout whose hold was released before; somebody has to look."""
    payload = {
        "slot_id": state.slot.id,
        "chain": state.slot.chain,
        "txid": state.slot.txid,
        "payout_id": payment.payout_id,
        "merchant_id": payment.merchant_id,
        "amount": str(payment.amount),
    }
    await outbox.publish(connection, "outbound.suspense", payment.hold_id, payload)


async def tell_bump_refused(connection: Connection, state: OpenSlot, number: int, tag: str, until: int) -> None:
    """Publish `outbound.bump-refused`: a signer refused a replacement; the next one is due at height ``until``."""
    payload = {"slot_id": state.slot.id, "chain": state.slot.chain, "version": number, "tag": tag, "next_height": until}
    await outbox.publish(connection, "outbound.bump-refused", state.slot.id, payload)


async def want_void(connection: Connection, void: Void) -> None:
    """Record the wish for a void and publish `outbound.voiding`."""
    await store.insert_void(connection, void)
    payload = {
        "payout_id": void.payment.payout_id,
        "merchant_id": void.payment.merchant_id,
        "outcome": void.outcome,
        "tag": void.tag,
        "reason": void.reason,
    }
    await outbox.publish(connection, "outbound.voiding", void.payment.hold_id, payload)


def view(state: OpenSlot) -> dict[str, Any]:
    """Give a slot as events and operators see it; amounts are strings of base units."""
    slot: Slot = state.slot
    return {
        "slot_id": slot.id,
        "chain": slot.chain,
        "kind": slot.kind,
        "state": slot.state,
        "reason": slot.reason,
        "txid": slot.txid,
        "confirmed_height": slot.confirmed_height,
        "confirmed_hash": slot.confirmed_hash,
        "payments": [
            {"payout_id": item.payout_id, "merchant_id": item.merchant_id, "amount": str(item.amount)}
            for item in state.payments
            if not item.suspense_key  # their payouts have ended, and end only once
        ],
        "versions": [
            {"number": item.number, "state": item.state, "txid": item.txid, "fee": str(item.fee), "rate": item.rate}
            for item in state.versions
        ],
    }
