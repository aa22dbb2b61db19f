"""Keeping hot small and useful: sweeps to cold, merged change, replacements of what is stuck, the intake choice."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import structlog

from strongroom.infra import outbox
from strongroom.infra.database import Connection, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.ledger import service as ledger
from strongroom.outbound import service as outbound
from strongroom.outbound.errors import CoinTakenError, DraftInvalidError
from strongroom.outbound.model import Draft, OpenSlot, SlotKind
from strongroom.treasury import coins, replacing, rules, store
from strongroom.treasury.model import Band, BandStatus, Replacement
from strongroom.treasury.planning import Planner, change_output, own_output
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeySetKind

_log = structlog.get_logger(__name__)
BUMP_BATCH: Final = 20
# Sweeps that no block has yet; more at once would only compete for the same blocks.
SWEEPS_WAITING_MAX: Final = 5
# After signers refused a sweep or a merge, the next try waits: the same would be refused again.
RETRY_AFTER: Final = timedelta(minutes=2)
# A treasury that has died must not leave hot intake open; it renews the choice far more often than this.
INTAKE_LASTS: Final = timedelta(seconds=60)


async def band(connection: Connection, settings: ChainSettings) -> Band:
    """Give the hot band in force: the settings' own, cut to house capital less what is in flight.

    What counts as capital is said once, where every posting is judged by it (docs/decisions/0024).
    """
    capital = await ledger.house_capital(connection, settings.asset)
    wanted = Band(settings.band.target, settings.band.high)
    return rules.band_in_force(wanted, capital, await outbound.in_flight(connection, settings.id))


async def choose_intake(planner: Planner) -> int:
    """Choose where invoices are handed out from; 0."""
    settings = planner.settings
    now = planner.clock.now()
    async with transaction(planner.pool) as connection:
        limit = (await band(connection, settings)).high
        held = (await wallets.holdings(connection, settings.id, (KeySetKind.HOT,)))[KeySetKind.HOT]
        expected = await wallets.expected_hot(connection, settings.id, now)
        room = max(0, limit - held.confirmed - held.unconfirmed - expected)
        kind = KeySetKind.HOT if room else KeySetKind.COLD
        await wallets.set_intake(connection, settings.id, kind, now + INTAKE_LASTS if room else None, room)
    return 0


async def measure(planner: Planner) -> int:
    """Publish what hot holds above its band and since when, and look whether the coins of sweeps are still there; 0."""
    settings = planner.settings
    async with transaction(planner.pool) as connection:
        height = await planner.ready(connection)
        if height is None:
            return 0
        await _watch_sweeps(connection, settings, height)
        limits = await band(connection, settings)
        held = (await coins.reserve(connection, settings, height)).total
        # A sweep that no block has yet is still hot: a thief's chain tx could come before it.
        held += await outbound.leaving_hot(connection, settings.id)
        above, now = max(0, held - limits.high), planner.clock.now()
        status = BandStatus(settings.id, settings.asset.id, held, limits.high, above, None, now)
        kept = await store.measure_band(connection, status)
    if kept.since == kept.measured_at:
        _log.warning("hot is above its band", chain=settings.id, above=str(above), high=str(limits.high))
    return 0


async def _watch_sweeps(connection: Connection, settings: ChainSettings, height: int) -> None:
    """Look after sweeps that no block has: a deposit that one spends may have left the chain again."""
    for state in await outbound.waiting_sweeps(connection, settings.id):
        if await coins.are_on_chain(connection, settings.id, state.coins):
            await outbound.note_found(connection, state.slot.id)
        else:
            await outbound.note_missing(connection, settings, state.slot.id, height)


async def sweep(planner: Planner) -> int:
    """Bring to cold what hot holds above the band, down to its target; the count of sweeps planned."""
    await measure(planner)
    rate = await planner.rate()
    settings = planner.settings
    async with transaction(planner.pool) as connection:
        height = await planner.ready(connection)
        if height is None or not await _may_sweep(connection, planner):
            return 0
        held = (await coins.reserve(connection, settings, height)).total
        ready = await coins.spendable(connection, settings, height)
        late = await coins.landed(connection, settings, height)
        # Read after the coins: house capital that is credited in between would be swept as if it were clients' money.
        limits = await band(connection, settings)
        # What waits to be paid is kept, but never beyond the band: a queue must not lift what a thief could take.
        wanted = min(limits.high, limits.target + await store.queued_total(connection, settings.id))
        chosen = rules.choose_sweep(
            ready,
            late,
            held=held,
            band=limits,
            wanted=wanted,
            rate=rate,
            dust=settings.relay_minimum,
        )
        if chosen is None:
            return 0
        choice, arrives = chosen
        cold = own_output(await wallets.sweep_address(connection, settings.id), arrives)
        own = (cold, *await change_output(connection, settings, choice.change))
        await _open(connection, settings, Draft(settings.id, SlotKind.SWEEP, choice.coins, (), own, rate))
        payload = {"chain": settings.id, "amount": str(arrives), "hot": str(held), "band_high": str(limits.high)}
        await outbox.publish(connection, "treasury.sweep", settings.id, payload)
    return 1


async def consolidate(planner: Planner) -> int:
    """Merge many small hot coins into one while the fee rate is low; the count of merges planned."""
    rate = await planner.rate()
    settings = planner.settings
    async with transaction(planner.pool) as connection:
        height = await planner.ready(connection)
        if height is None or not await _may_open(connection, planner, SlotKind.CONSOLIDATION):
            return 0
        free = await coins.spendable(connection, settings, height)
        choice = rules.select_consolidation(free, rate, settings.relay_minimum)
        if choice is None:
            return 0
        own = await change_output(connection, settings, choice.change)
        await _open(connection, settings, Draft(settings.id, SlotKind.CONSOLIDATION, choice.coins, (), own, rate))
    return 1


async def bump(planner: Planner) -> int:
    """Replace by fee what has waited too many blocks; the count of replacements planned."""
    estimate = await planner.rate()
    settings = planner.settings
    async with transaction(planner.pool) as connection:
        height = await planner.ready(connection)
        if height is None:
            return 0
        waited = height - settings.fees.stuck_after_blocks
        stuck = await outbound.stuck_slots(connection, settings.id, waited, height, BUMP_BATCH)
        done = [await _bump(connection, settings, state, estimate, height) for state in stuck]
    return sum(done)


async def _bump(connection: Connection, settings: ChainSettings, state: OpenSlot, estimate: int, height: int) -> int:
    before = state.standing
    # A refused replacement proves nothing about what was sent: the next one has to beat that one only.
    used = {version.rate for version in state.versions if version is not state.newest}
    rate = replacing.replacement_rate(before.paid_rate, estimate, settings.fees.rate_ceiling, used)
    if rate == state.newest.rate:
        await outbound.offer_again(connection, state.slot.id)
        return 1
    try:
        async with connection.transaction():
            made = await _replacement(connection, settings, state, rate, height) if rate else None
            if made is None:
                _log.warning("stuck, and no replacement can be made", slot_id=state.slot.id, rate=before.rate)
                return 0
            draft = Draft(settings.id, state.slot.kind, made.coins, state.payments, made.own_outputs, made.rate)
            previous = await coins.previous_txs(connection, draft)
            await outbound.add_version(connection, settings, state.slot.id, draft, previous)
    except (DraftInvalidError, CoinTakenError) as error:
        _log.warning("no replacement", slot_id=state.slot.id, reason=error.message)
        return 0
    return 1


async def _replacement(
    connection: Connection, settings: ChainSettings, state: OpenSlot, rate: int, height: int
) -> Replacement | None:
    """Pay the dearer version out of our own output; where that cannot, with coins that no reorg can take away."""
    before, payments = state.standing, state.payments
    own = state.own_outputs.get(before.number, ())
    made = replacing.replace(state.coins, payments, own, before.fee, rate, settings.relay_minimum)
    if made is not None or not payments:
        return made
    more = await coins.settled(connection, settings, height)
    found = replacing.extend(state.coins, more, payments, own, before.fee, rate, settings.relay_minimum)
    if found is None:
        return None
    outputs = (*found.own_outputs, *await change_output(connection, settings, found.change))
    return Replacement((*state.coins, *found.added), outputs, rate)


async def _may_sweep(connection: Connection, planner: Planner) -> bool:
    if await outbound.waiting_count(connection, planner.settings.id, SlotKind.SWEEP) >= SWEEPS_WAITING_MAX:
        return False
    return await _has_rested(connection, planner, SlotKind.SWEEP)


async def _may_open(connection: Connection, planner: Planner, kind: SlotKind) -> bool:
    if await outbound.open_count(connection, planner.settings.id, kind):
        return False
    return await _has_rested(connection, planner, kind)


async def _has_rested(connection: Connection, planner: Planner, kind: SlotKind) -> bool:
    failed = await outbound.abandoned_at(connection, planner.settings.id, kind)
    return failed is None or failed <= planner.clock.now() - RETRY_AFTER


async def _open(connection: Connection, settings: ChainSettings, draft: Draft) -> None:
    await outbound.open_slot(connection, settings, draft, await coins.previous_txs(connection, draft))
