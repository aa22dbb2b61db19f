"""What outbound and treasury tell payouts, handled by a worker process."""

from __future__ import annotations

from typing import Any, Final

from strongroom.infra.database import Connection
from strongroom.infra.outbox import Handler, OutboxEvent
from strongroom.outbound.model import Outcome
from strongroom.payouts import moves, store
from strongroom.payouts.model import PayoutState

_SLOT_STATES: Final = {
    "outbound.planned": PayoutState.PLANNED,
    "outbound.signed": PayoutState.SIGNED,
    "outbound.broadcast": PayoutState.BROADCAST,
    "outbound.confirmed": PayoutState.CONFIRMED,
    "outbound.final": PayoutState.FINAL,
}
_OUTCOMES: Final = {
    Outcome.REFUSED: PayoutState.REFUSED,
    Outcome.CONFLICTED: PayoutState.REFUSED,
    Outcome.CANCELLED: PayoutState.CANCELLED,
    Outcome.EXPIRED: PayoutState.EXPIRED,
}
_SHORT: Final = "hot-short: more than the hot balance holds; it is sent when hot is refilled, oldest first"
_VOIDING: Final = "waiting for a signer's promise never to sign it"


async def on_slot(connection: Connection, event: OutboxEvent) -> None:
    """Follow the slot that the payouts are in."""
    slot = event.payload
    state = _SLOT_STATES[event.topic]
    for item in slot["payments"]:
        payout = await store.get(connection, item["merchant_id"], item["payout_id"], lock=True)
        if payout is not None:
            height, reason = slot["confirmed_height"], slot["reason"]
            await moves.move(connection, payout, state, reason=reason, txid=slot["txid"], height=height)


async def on_released(connection: Connection, event: OutboxEvent) -> None:
    """End a payout whose money is back with the merchant."""
    told = event.payload
    state = _OUTCOMES[Outcome(told["outcome"])]
    payout = await store.get(connection, told["merchant_id"], told["payout_id"], lock=True)
    if payout is not None:
        await moves.move(connection, payout, state, reason=told["reason"], tag=told["tag"])


async def on_voiding(connection: Connection, event: OutboxEvent) -> None:
    """Say why a payout is being taken back while its void is awaited."""
    told = event.payload
    place = {"merchant": told["merchant_id"], "id": told["payout_id"]}
    await store.run(connection, "set_reason", **place, reason=f"{told['reason']} ({_VOIDING})", tag=told["tag"])


async def on_queued(connection: Connection, event: OutboxEvent) -> None:
    """Put a payout back in the queue: its slot ended before anyone signed."""
    await _wait(connection, event.payload, PayoutState.QUEUED, event.payload["reason"])


async def on_short(connection: Connection, event: OutboxEvent) -> None:
    """Say that hot cannot cover a payout."""
    await _wait(connection, event.payload, PayoutState.HOT_SHORT, _SHORT)


async def _wait(connection: Connection, told: dict[str, Any], state: PayoutState, reason: str) -> None:
    payout = await store.get(connection, told["merchant_id"], told["payout_id"], lock=True)
    if payout is not None:
        await moves.move(connection, payout, state, reason=reason)


def handlers() -> list[tuple[str, Handler]]:
    """Give (topic, handler) pairs for the dispatcher of the worker."""
    return [
        *((topic, on_slot) for topic in _SLOT_STATES),
        ("outbound.released", on_released),
        ("outbound.voiding", on_voiding),
        ("treasury.queued", on_queued),
        ("treasury.hot-short", on_short),
    ]
