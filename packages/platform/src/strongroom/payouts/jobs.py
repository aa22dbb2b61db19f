"""What outbound and treasury tell payouts, handled by a worker process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from strongroom.infra.database import Connection
from strongroom.infra.outbox import Handler, OutboxEvent, Sink
from strongroom.ledger import service as ledger
from strongroom.outbound.model import Outcome
from strongroom.payouts import moves, store
from strongroom.payouts.model import CANCELLABLE, OWES_TAG, UNPROVEN_TAG, Payout, PayoutState
from strongroom_core.assets import asset_by_id

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
_MAY_OWE: Final = ("deposit.reversed", "deposit.credited", "payout.queued", "payout.hot-short")
_SHORT: Final = "hot-short: more than the hot balance holds; it is sent when hot is refilled, oldest first"
_UNPROVEN: Final = "the signers have not seen yet what the chain brought for this; it goes on by itself once they have"
_PROVEN: Final = "the signers have seen what the chain brought"
_OWES: Final = "a deposit was reversed by its chain; this goes on once deposits have repaid what is owed"
_REPAID: Final = "what was owed has been repaid"
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


async def on_unproven(connection: Connection, event: OutboxEvent) -> None:
    """Say that the signers' own books do not cover a payout yet."""
    payout = await store.get(connection, event.payload["merchant_id"], event.payload["payout_id"], lock=True)
    if payout is not None and payout.state in CANCELLABLE and not payout.reason_tag:
        await moves.remark(connection, payout, reason=_UNPROVEN, tag=UNPROVEN_TAG, told=_UNPROVEN)


async def on_proven(connection: Connection, event: OutboxEvent) -> None:
    """Say no longer that a payout waits for the signers' own books."""
    payout = await store.get(connection, event.payload["merchant_id"], event.payload["payout_id"], lock=True)
    if payout is not None and payout.state in CANCELLABLE and payout.reason_tag == UNPROVEN_TAG:
        reason = _SHORT if payout.state is PayoutState.HOT_SHORT else ""
        await moves.remark(connection, payout, reason=reason, tag="", told=_PROVEN)


async def _wait(connection: Connection, told: dict[str, Any], state: PayoutState, reason: str) -> None:
    payout = await store.get(connection, told["merchant_id"], told["payout_id"], lock=True)
    if payout is not None:
        await moves.move(connection, payout, state, reason=reason)


def _owner(event: OutboxEvent) -> tuple[str, str] | None:
    told = event.payload
    return (told["merchant_id"], told["asset"]) if told["merchant_id"] else None


async def _tell_who_owes(connection: Connection, owners: Sequence[tuple[str, str]]) -> None:
    """Compare what waiting payouts say with what their merchants owe; only those that say otherwise change."""
    merchants_by_asset: dict[str, set[str]] = {}
    for merchant, asset in owners:
        merchants_by_asset.setdefault(asset, set()).add(merchant)
    for asset, merchants in sorted(merchants_by_asset.items()):
        owing = await ledger.owing(connection, asset_by_id(asset))
        for payout in await store.waiting_otherwise(connection, sorted(merchants), asset, owing):
            await _remark(connection, payout, owes=payout.merchant_id in owing)


async def _remark(connection: Connection, payout: Payout, *, owes: bool) -> None:
    if owes:
        await moves.remark(connection, payout, reason=_OWES, tag=OWES_TAG, told=_OWES)
    else:
        reason = _SHORT if payout.state is PayoutState.HOT_SHORT else ""
        await moves.remark(connection, payout, reason=reason, tag="", told=_REPAID)


def owing_sink() -> Sink:
    """Keep payouts that wait telling whether they wait for what their merchant owes.

    Told by deposits, which make and repay debts, and by payouts that begin to wait: whichever commits last sees both.
    """
    return Sink(_MAY_OWE, _owner, _tell_who_owes)


def handlers() -> list[tuple[str, Handler]]:
    """Give (topic, handler) pairs for the dispatcher of the worker."""
    return [
        *((topic, on_slot) for topic in _SLOT_STATES),
        ("outbound.released", on_released),
        ("outbound.voiding", on_voiding),
        ("treasury.queued", on_queued),
        ("treasury.hot-short", on_short),
        ("treasury.unproven", on_unproven),
        ("treasury.proven", on_proven),
    ]
