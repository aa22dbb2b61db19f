"""What the chain says about the hot Safe's nonces: executed as planned, cancelled, used by something else, orphaned.

A slot is confirmed by the one Safe transaction that it was planned as, and only where it succeeded. Anything else at
its nonce means that it can never be executed: beyond the horizon its money goes back to the merchants.
"""

from __future__ import annotations

from typing import Any, Final

import structlog

from strongroom.chains import service as chains
from strongroom.chains.model import ChainEvent, EventKind, ObservedSpend, ObservedTx
from strongroom.infra import outbox
from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.ledger.errors import InsufficientFundsError
from strongroom.outbound import books as slot_books
from strongroom.outbound import following, moves
from strongroom.outbound import store as slots
from strongroom.outbound.model import OpenSlot, Outcome, Payment, SlotState
from strongroom.outbound.safe import books, building, offline, store
from strongroom.outbound.safe.model import PAYING_VERSION, Measured
from strongroom_core.ids import SlotId

_log = structlog.get_logger(__name__)
BATCH: Final = 200
NONCE_USED_TAG: Final = "safe-nonce-used"
UNMOVED_TAG: Final = "token-moved-nothing"
_FAILED: Final = "its execution failed and moved nothing"
_CANCELLED: Final = "its nonce was cancelled before it was executed"
_USED: Final = "another Safe transaction used its nonce"
_UNMOVED: Final = "the token took the payment and moved nothing: you have the money back"


async def follow(pool: Pool, settings: ChainSettings) -> int:
    """Handle the next chain events, once each, in the transaction that moves the cursor; the count of them."""
    async with transaction(pool) as connection:
        after = await chains.take_cursor(connection, following.CONSUMER, settings.id)
        events = await chains.read_events(connection, settings.id, after, BATCH)
        for event in events:
            await _apply(connection, settings, event)
        if events:
            await chains.advance_cursor(connection, following.CONSUMER, settings.id, events[-1].id)
    return len(events)


async def settle(pool: Pool, settings: ChainSettings) -> int:
    """End what is beyond the horizon: executed and measured, or impossible for good; the count of slots ended."""
    async with transaction(pool) as connection:
        height = await slots.number(connection, "height", "height", chain=settings.id)
        deep = height - settings.horizon + 1
        # First: what a final slot took from hot may have come by a refill before it.
        await offline.settle(connection, settings.id, deep)
        found = await slots.ids(connection, "deep_enough", chain=settings.id, height=deep)
        return sum([await _end(connection, slot_id) for slot_id in found])


async def _apply(connection: Connection, settings: ChainSettings, event: ChainEvent) -> None:
    if event.height is None or event.block_hash is None:
        return
    if event.kind is EventKind.CONNECTED:
        for tx in event.txs:
            for spend in tx.spends:
                await _executed(connection, settings, event, tx, spend)
        await slots.run(connection, "set_height", chain=settings.id, height=event.height, event=event.id)
    elif event.kind is EventKind.DISCONNECTED:
        await slots.run(connection, "set_height", chain=settings.id, height=event.height - 1, event=event.id)
        await store.run(connection, "cold_undone", chain=settings.id, hash=event.block_hash)
        for slot_id in await slots.ids(connection, "slots_in_block", chain=settings.id, hash=event.block_hash):
            await following.take_back(connection, slot_id, event.height)


async def _executed(
    connection: Connection, settings: ChainSettings, event: ChainEvent, tx: ObservedTx, spend: ObservedSpend
) -> None:
    """Take in one execution of the hot Safe: what was executed is known by its hash, never by the order of logs.

    One execution may run inside another, so that the nonce of the fact may be the other one's. What no version of ours
    is gives nothing back by itself: ``passing`` does, once the Safe's own nonce says that a slot cannot happen any
    more.
    """
    places = building.contracts(settings)
    safe = places.hot_safe_text
    if spend.prev_txid == places.cold_safe_text:
        await offline.executed(connection, settings.id, event, tx, spend)
    if spend.prev_txid != safe:
        return
    slot_id = await store.slot_of_effect(connection, settings.id, spend.effect)
    if slot_id is None:
        await _tell_foreign(connection, settings, tx, spend)
        return
    state = await slots.load(connection, slot_id, lock=True)
    place = {"txid": tx.txid, "height": event.height, "hash": event.block_hash}
    number = next(version.number for version in state.versions if version.txid == spend.effect)
    if number == PAYING_VERSION and spend.success:
        if state.slot.state is not SlotState.FINAL:
            await slots.run(connection, "confirm", slot=slot_id, **place)
            await following.confirmed(connection, await slots.load(connection, slot_id))
    elif state.slot.state not in (SlotState.FINAL, SlotState.ABANDONED):
        await _conflict(connection, slot_id, place, _FAILED if number == PAYING_VERSION else _CANCELLED)
    others = {"chain": settings.id, "safe": safe, "nonce": state.coins[0].vout, "slot": slot_id}
    for other in await store.ids(connection, "others_at", **others):
        await _conflict(connection, other, place, _USED)


async def _conflict(connection: Connection, slot_id: SlotId, place: dict[str, Any], what: str) -> None:
    reason = f"{what}, in chain tx {place['txid']} of block {place['height']}"
    _log.warning("a Safe's nonce went elsewhere", slot_id=slot_id, reason=reason)
    await slots.run(connection, "conflict", slot=slot_id, **place, reason=reason)


async def _tell_foreign(connection: Connection, settings: ChainSettings, tx: ObservedTx, spend: ObservedSpend) -> None:
    """Say that owners of the hot Safe have signed something that is none of ours."""
    payload = {"chain": settings.id, "txid": tx.txid, "effect": spend.effect, "success": spend.success}
    _log.error("the hot Safe executed what we did not plan", **payload)
    await outbox.publish(connection, "outbound.foreign-execution", settings.id, payload)


async def _end(connection: Connection, slot_id: SlotId) -> int:
    state = await slots.load(connection, slot_id, lock=True)
    if state.slot.state in (SlotState.FINAL, SlotState.ABANDONED):
        return 0
    if state.slot.state is not SlotState.CONFIRMED:
        told = f"{state.slot.reason}: sign and send it again"
        await following.give_up(connection, state, state.slot.reason, told=(NONCE_USED_TAG, told))
        return 1
    measures = await store.measures(connection, state)
    if state.payments and not measures:
        return 0  # `measuring` looks for it; without the chain's word nothing counts as paid
    return await _finalise(connection, state, measures)


async def _finalise(connection: Connection, state: OpenSlot, measures: tuple[Measured, ...]) -> int:
    """End a slot; where the books lack what it moved (a reversed deposit), try again with the next step."""
    try:
        async with connection.transaction():
            version = state.versions[PAYING_VERSION - 1]
            await slots.run(connection, "settle_versions", slot=state.slot.id, txid=version.txid)
            await slots.run(connection, "free_coins", slot=state.slot.id)
            await slots.run(connection, "moot_voids", slot=state.slot.id)
            unmoved = _unmoved(state, measures)
            await slot_books.undo_captures(connection, state, unmoved)
            await books.settle(connection, store.safe_slot(state), measures, unmoved)
            for payment in unmoved:
                await moves.tell_released(connection, payment, Outcome.CONFLICTED, UNMOVED_TAG, _UNMOVED)
            await moves.move(connection, state, SlotState.FINAL)
    except InsufficientFundsError as error:
        _log.error("an execution beyond the horizon cannot be booked yet", slot_id=state.slot.id, reason=error.message)
        await slots.run(connection, "set_reason", slot=state.slot.id, reason=f"not booked yet: {error.message}")
        return 0
    for measure in measures:
        await _alarm(connection, state, measure)
    return 1


def _unmoved(state: OpenSlot, measures: tuple[Measured, ...]) -> tuple[Payment, ...]:
    """Find payments of assets of which nothing left the hot Safe at all: nobody was paid by them."""
    still = {measure.asset for measure in measures if measure.left_hot == 0 and measure.received == 0}
    return tuple(item for item in state.payments if item.asset in still and not item.suspense_key)


async def _alarm(connection: Connection, state: OpenSlot, measure: Measured) -> None:
    """Say where balances differ from what was to be paid; the chain goes on, and an operator looks."""
    if measure.as_planned:
        return
    payload = {
        "slot_id": state.slot.id,
        "txid": state.slot.txid,
        "asset": measure.asset,
        "expected": str(measure.expected),
        "left_hot": str(measure.left_hot),
        "received": str(measure.received),
    }
    _log.error("a payout's balances are not what was paid", **payload)
    await outbox.publish(connection, "outbound.paid-otherwise", state.slot.id, payload)
