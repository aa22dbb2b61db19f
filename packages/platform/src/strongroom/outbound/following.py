"""What the chain says about our slots: a version or a foreign chain tx in a block, a reorg, the horizon."""

from __future__ import annotations

from typing import Any, Final

import structlog

from strongroom.chains import service as chains
from strongroom.chains.model import ChainEvent, EventKind, ObservedTx
from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.ledger.errors import InsufficientFundsError
from strongroom.outbound import books, moves, store
from strongroom.outbound.model import AnswerState, OpenSlot, Outcome, SlotState
from strongroom_core.ids import SlotId

_log = structlog.get_logger(__name__)
CONSUMER: Final = "outbound"
BATCH: Final = 200
CONFLICT_TAG: Final = "coins-spent-elsewhere"
_CONFLICT_REASON: Final = "its coins were spent by a chain tx that is not ours: sign and send it again"


async def follow(pool: Pool, settings: ChainSettings) -> int:
    """Handle the next chain events, once each, in the transaction that moves the cursor; the count of them."""
    async with transaction(pool) as connection:
        after = await chains.take_cursor(connection, CONSUMER, settings.id)
        events = await chains.read_events(connection, settings.id, after, BATCH)
        for event in events:
            await _apply(connection, settings, event)
        if events:
            await chains.advance_cursor(connection, CONSUMER, settings.id, events[-1].id)
    return len(events)


async def _apply(connection: Connection, settings: ChainSettings, event: ChainEvent) -> None:
    if event.height is None or event.block_hash is None:
        return
    if event.kind is EventKind.CONNECTED:
        for tx in event.txs:
            await _seen_in_block(connection, event, tx, event.height, event.block_hash)
        await store.run(connection, "set_height", chain=settings.id, height=event.height, event=event.id)
        await _settle_deep(connection, settings, event.height)
    elif event.kind is EventKind.DISCONNECTED:
        await store.run(connection, "set_height", chain=settings.id, height=event.height - 1, event=event.id)
        for slot_id in await store.ids(connection, "slots_in_block", chain=settings.id, hash=event.block_hash):
            await take_back(connection, slot_id, event.height)


async def _seen_in_block(
    connection: Connection, event: ChainEvent, tx: ObservedTx, height: int, block_hash: str
) -> None:
    if not tx.spends:
        return
    spent: dict[str, Any] = {
        "spender": tx.txid,
        "txids": [spend.prev_txid for spend in tx.spends],
        "vouts": [spend.prev_vout for spend in tx.spends],
    }
    for slot_id in await store.ids(connection, "slots_spending", chain=event.chain, **spent):
        state = await store.load(connection, slot_id, lock=True)
        place = {"slot": slot_id, "txid": tx.txid, "height": height, "hash": block_hash}
        if any(version.txid == tx.txid for version in state.versions):
            await store.run(connection, "confirm", **place)
            await confirmed(connection, await store.load(connection, slot_id))
        else:
            reason = f"a chain tx that is not ours spends its coins: {tx.txid} in block {height}"
            await store.run(connection, "conflict", **place, reason=reason)


async def confirmed(connection: Connection, state: OpenSlot) -> None:
    """Take a slot on whose version a block has executed; ``state`` was read after its place was recorded."""
    reason = ""
    if state.slot.state in (SlotState.PLANNED, SlotState.ABANDONED):
        reason = await _found(connection, state)
        state = await store.load(connection, state.slot.id)
    if state.slot.state is not SlotState.CONFIRMED:
        await moves.move(connection, state, SlotState.CONFIRMED, reason)


async def _found(connection: Connection, state: OpenSlot) -> str:
    """Take over what a block has and we did not expect: the chain is right, and the money has gone.

    Both signatures came to be without us hearing of them; or we had given the slot up, since its coins were gone or a
    signer had promised never to sign. What was released before cannot be captured: it goes to suspense, with an alarm.
    """
    for payment in await books.capture_found(connection, state):
        place = {"slot_id": state.slot.id, "payout_id": payment.payout_id, "merchant_id": payment.merchant_id}
        _log.error(
            "the chain paid a payout whose money is back with its merchant",
            txid=state.slot.txid,
            amount=str(payment.amount),
            **place,
        )
        await moves.tell_suspense(connection, state, payment)
    if state.slot.state is SlotState.PLANNED:
        await moves.move(
            connection, await store.load(connection, state.slot.id), SlotState.SIGNED, "found on the chain"
        )
        return ""
    await store.run(connection, "reopen_coins", slot=state.slot.id)
    return "found on the chain, though it was given up"


async def take_back(connection: Connection, slot_id: SlotId, height: int) -> None:
    """Take back what an orphaned block said of a slot."""
    state = await store.load(connection, slot_id, lock=True)
    if state.slot.state is SlotState.CONFIRMED:
        await moves.move(connection, state, SlotState.BROADCAST, f"block {height} was orphaned")
    await store.run(connection, "unconfirm", slot=slot_id)


async def _settle_deep(connection: Connection, settings: ChainSettings, height: int) -> None:
    deep = height - settings.horizon + 1
    for slot_id in await store.ids(connection, "deep_enough", chain=settings.id, height=deep):
        state = await store.load(connection, slot_id, lock=True)
        if state.slot.state is SlotState.CONFIRMED:
            await _finalise(connection, state)
        elif state.slot.state not in (SlotState.FINAL, SlotState.ABANDONED):
            await give_up(connection, state, state.slot.reason)


async def _finalise(connection: Connection, state: OpenSlot) -> None:
    """End a confirmed slot; where the books lack what its coins brought in, try again with the next block.

    A sweep spends a deposit as soon as it is credited; a reorg may reverse the deposit, and a stop keep it uncredited.
    """
    version = next(item for item in state.versions if item.txid == state.slot.txid)
    try:
        async with connection.transaction():
            await moves.finalise(connection, state, version)
    except InsufficientFundsError as error:
        _log.error("a chain tx beyond the horizon cannot be booked yet", slot_id=state.slot.id, reason=error.message)
        await store.run(connection, "set_reason", slot=state.slot.id, reason=f"not booked yet: {error.message}")
        return
    await _end_descendants(connection, state, [item.txid for item in state.versions if item is not version])


async def _end_descendants(connection: Connection, parent: OpenSlot, dead: list[str]) -> None:
    """End open slots on change of versions that can never be mined any more: no chain tx would ever tell of it.

    Change is spent from its first block on. A reorg may then bring another version of the parent.
    """
    for slot_id in await store.ids(connection, "slots_on_outputs", chain=parent.slot.chain, txids=dead):
        state = await store.load(connection, slot_id, lock=True)
        if state.slot.state not in (SlotState.FINAL, SlotState.ABANDONED):
            await give_up(connection, state, f"the change that it spends is of a version of {parent.slot.id} not mined")


async def give_up(
    connection: Connection, state: OpenSlot, reason: str, *, told: tuple[str, str] = (CONFLICT_TAG, _CONFLICT_REASON)
) -> None:
    """End a slot whose coins are gone for good: held money is released, captured money given back.

    ``told``: the tag and sentence for the merchants whose money it is.

    Only payouts that no signer was asked about are planned again: all others are bound to this slot where they were
    signed, and would be refused in every other one.
    """
    captured = state.slot.state is not SlotState.PLANNED
    answers = await store.answers(connection, state.slot.id)
    released = captured or any(answer.state is not AnswerState.REFUSED for answer in answers)
    if captured and state.payments:
        await books.undo_captures(connection, state)
    await store.run(connection, "moot_voids", slot=state.slot.id)
    await moves.abandon(connection, state, reason, released=released)
    for payment in (item for item in state.payments if released and not item.suspense_key):
        if not captured:
            await books.release(connection, payment)
        await moves.tell_released(connection, payment, Outcome.CONFLICTED, *told)
    await _end_descendants(connection, state, [item.txid for item in state.versions])
