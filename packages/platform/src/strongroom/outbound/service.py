"""What other rooms ask of outbound: open a slot, add a version to it, withdraw a payout, look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from strongroom.infra import outbox
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings
from strongroom.outbound import books, following, moves, store
from strongroom.outbound.errors import DraftInvalidError
from strongroom.outbound.model import (
    Draft,
    OpenSlot,
    Outcome,
    Payment,
    SignerState,
    SlotKind,
    VersionState,
    Void,
    WaitingVoid,
)
from strongroom.outbound.psbt import Built, build
from strongroom.wallets import service as wallets
from strongroom.wallets.model import OwnPayment
from strongroom_core.ids import SlotId


async def open_slot(
    connection: Connection, settings: ChainSettings, draft: Draft, previous: Mapping[str, bytes]
) -> OpenSlot:
    """Bind coins and payments to a new slot, with its first version built and kept; nothing is signed yet.

    ``previous`` holds the raw previous chain txs by txid. Raises ``CoinTakenError``, ``DraftInvalidError``.
    """
    built = build(settings, draft, previous)
    slot = SlotId.new()
    await store.insert_slot(connection, slot, draft)
    await _record(connection, slot, 1, draft, built)
    await store.run(connection, "insert_history", slot=slot, arrow="→ planned", reason="")
    state = await store.load(connection, slot)
    await outbox.publish(connection, "outbound.planned", slot, moves.view(state))
    return state


async def add_version(
    connection: Connection, settings: ChainSettings, slot: SlotId, draft: Draft, previous: Mapping[str, bytes]
) -> OpenSlot:
    """Add a replacement: the same payments, all coins of the slot and maybe more, a higher fee and rate (BIP 125).

    Raises ``DraftInvalidError`` where it is no such replacement, ``CoinTakenError``.
    """
    state = await store.load(connection, slot, lock=True)
    _check_replacement(state, draft)
    number = state.slot.version + 1
    await store.run(connection, "raise_version", slot=slot, number=number)
    await _record(connection, slot, number, draft, build(settings, draft, previous))
    reason = f"version {number} at {draft.rate} sat/vB"
    await store.run(
        connection, "insert_history", slot=slot, arrow=f"{state.slot.state} → {state.slot.state}", reason=reason
    )
    return await store.load(connection, slot)


async def withdraw(
    connection: Connection, chain: str, payment: Payment, outcome: Outcome, tag: str, reason: str
) -> bool:
    """Take a payout back that is in no open slot. True: its hold is released now; False: once a signer has voided it.

    A payout that no signer was ever asked about needs no void: there is nothing that could be signed later.
    """
    if await store.rows(connection, "open_slot_of", hold=payment.hold_id):
        message = f"{payment.payout_id} is bound to a chain tx"
        raise DraftInvalidError(message)
    if await store.flag(connection, "was_sent", "sent", hold=payment.hold_id):
        await moves.want_void(connection, Void(payment, chain, outcome, tag, reason, "", None))
        return False
    await books.release(connection, payment)
    await moves.tell_released(connection, payment, outcome, tag, reason)
    return True


async def pending_change(connection: Connection, chain: str) -> int:
    """Sum the change that open slots bring back to hot once they are in a block, in base units."""
    return await store.number(connection, "pending_change", "amount", chain=chain)


async def block_event(connection: Connection, chain: str) -> int:
    """Give the chain event of the last block that outbound has handled; 0 before the first."""
    return await store.number(connection, "block_event", "event_id", chain=chain)


async def taken_coins(connection: Connection, chain: str) -> set[tuple[str, int]]:
    """Give the outpoints (txid, vout) that open slots spend."""
    return await store.open_coins(connection, chain)


async def slot(connection: Connection, slot_id: SlotId) -> OpenSlot:
    """Find a slot. Raises ``UnknownSlotError``."""
    return await store.load(connection, slot_id)


async def open_slots(connection: Connection, chain: str) -> list[OpenSlot]:
    """Give all slots of a chain that are neither final nor abandoned, oldest first."""
    return [await store.load(connection, found) for found in await store.ids(connection, "open_slots", chain=chain)]


async def open_count(connection: Connection, chain: str, kind: SlotKind) -> int:
    """Count open slots of a kind."""
    return await store.number(connection, "open_of_kind", "count", chain=chain, kind=kind)


async def waiting_count(connection: Connection, chain: str, kind: SlotKind) -> int:
    """Count open slots of a kind that no block has yet, without those whose coins have left the chain."""
    return await store.number(connection, "waiting_of_kind", "count", chain=chain, kind=kind)


async def abandoned_at(connection: Connection, chain: str, kind: SlotKind) -> datetime | None:
    """Give when a slot of a kind was last abandoned."""
    return await store.moment(connection, "latest_of_kind", "at", chain=chain, kind=kind)


async def stuck_slots(connection: Connection, chain: str, height: int, tip: int, limit: int) -> list[OpenSlot]:
    """Find slots broadcast at or below ``height`` and still in no block at ``tip``, which may be replaced now."""
    found = await store.ids(connection, "stuck", chain=chain, height=height, tip=tip, limit=limit)
    return [await store.load(connection, item) for item in found]


async def offer_again(connection: Connection, slot_id: SlotId) -> None:
    """Have a refused replacement, the newest version, judged once more: the same bytes."""
    state = await store.load(connection, slot_id, lock=True)
    number, arrow = state.newest.number, f"{state.slot.state} → {state.slot.state}"
    await store.run(connection, "set_version_state", slot=slot_id, number=number, state=VersionState.PLANNED)
    await store.run(connection, "raise_version", slot=slot_id, number=number)
    await store.run(connection, "insert_history", slot=slot_id, arrow=arrow, reason=f"version {number} offered again")


async def waiting_sweeps(connection: Connection, chain: str) -> list[OpenSlot]:
    """Give the sweeps that no block has yet."""
    return [await store.load(connection, found) for found in await store.ids(connection, "waiting_sweeps", chain=chain)]


async def note_missing(connection: Connection, settings: ChainSettings, slot_id: SlotId, height: int) -> None:
    """Record that a coin of an open sweep is not on the chain at ``height``; beyond the horizon, end the slot.

    Its other coins are free then. Should the coin come back and the sweep be mined after all, it is taken up again.
    """
    state = await store.load(connection, slot_id, lock=True)
    if state.payments or state.slot.confirmed_height is not None:
        return
    since = await store.number(connection, "miss_coins", "missing_height", slot=slot_id, height=height)
    if height >= since + settings.horizon:
        reason = f"a coin of it has been off the chain since height {since}"
        await following.give_up(connection, state, reason)


async def note_found(connection: Connection, slot_id: SlotId) -> None:
    """Record that all coins of a slot are on the chain."""
    await store.run(connection, "found_coins", slot=slot_id)


async def leaving_hot(connection: Connection, chain: str) -> int:
    """Sum what sweeps bring to cold that no block has yet, in base units."""
    return await store.number(connection, "leaving_hot", "amount", chain=chain)


async def waiting_voids(connection: Connection, chain: str, limit: int = 50) -> list[WaitingVoid]:
    """Give the oldest voids that no signer has promised yet: their payouts' holds stay until one does."""
    return [WaitingVoid(**row) for row in await store.rows(connection, "waiting_voids", chain=chain, limit=limit)]


async def void_wanted(connection: Connection, holds: Sequence[str]) -> set[str]:
    """Give the holds of those payouts that are being, or have been, taken back by a void."""
    return {row["hold_id"] for row in await store.rows(connection, "void_wanted", holds=list(holds))}


async def in_flight(connection: Connection, chain: str) -> int:
    """Give the base units of payouts that are signed away and not yet final."""
    return await store.number(connection, "in_flight", "amount", chain=chain)


async def signer_states(connection: Connection) -> list[SignerState]:
    """Give how each signer was when last asked."""
    return list((await store.signers(connection)).values())


async def _record(connection: Connection, slot_id: SlotId, number: int, draft: Draft, built: Built) -> None:
    await store.insert_version(connection, slot_id, number, draft, built)
    announced = [
        OwnPayment(built.txid, vout, payment.payout_id)
        for payment, vout in zip(draft.payments, built.payment_vouts, strict=True)
    ]
    if announced:
        await wallets.announce_own_payments(connection, draft.chain, announced)


def _check_replacement(state: OpenSlot, draft: Draft) -> None:
    before = state.standing
    same = {item.hold_id for item in draft.payments} == {item.hold_id for item in state.payments}
    dearer = draft.rate > before.rate and draft.fee >= before.fee + draft.virtual_bytes
    if not same or not set(state.coins) <= set(draft.coins) or not dearer:
        message = f"version {state.newest.number + 1} of {state.slot.id} does not replace version {before.number}"
        raise DraftInvalidError(message)
