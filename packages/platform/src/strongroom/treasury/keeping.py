"""Keeping hot small and useful: sweeps to cold, merged change, replacements of what is stuck, the intake choice."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import structlog

from strongroom.infra import outbox
from strongroom.infra.database import Connection, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType
from strongroom.outbound import service as outbound
from strongroom.outbound.errors import CoinTakenError, DraftInvalidError
from strongroom.outbound.model import Draft, OpenSlot, SlotKind
from strongroom.treasury import coins, rules, store
from strongroom.treasury.model import Band
from strongroom.treasury.planning import Planner, change_output, own_output
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeySetKind

_log = structlog.get_logger(__name__)
BUMP_BATCH: Final = 20
# After signers refused a sweep or a merge, the next try waits: the same would be refused again.
RETRY_AFTER: Final = timedelta(minutes=2)
# A treasury that has died must not leave hot intake open; it renews the choice far more often than this.
INTAKE_LASTS: Final = timedelta(seconds=60)


async def band(connection: Connection, settings: ChainSettings) -> Band:
    """Give the hot band in force: the settings' own, cut to house capital less what is in flight."""
    capital = await ledger.balance(connection, Account(AccountType.HOUSE_CAPITAL, settings.asset))
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


async def sweep(planner: Planner) -> int:
    """Bring to cold what hot holds above the band, down to its target; the count of sweeps planned."""
    rate = await planner.rate()
    settings = planner.settings
    async with transaction(planner.pool) as connection:
        height = await planner.ready(connection)
        if height is None or not await _may_open(connection, planner, SlotKind.SWEEP):
            return 0
        limits = await band(connection, settings)
        free = await coins.spendable(connection, settings, height)
        held = (await coins.reserve(connection, settings, height)).total
        # What waits to be paid is kept, but never beyond the band: a queue must not lift what a thief could take.
        wanted = min(limits.high, limits.target + await store.queued_total(connection, settings.id))
        chosen = rules.select_sweep(free, held - wanted, rate, settings.dust) if held > limits.high else None
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
        choice = rules.select_consolidation(free, rate, settings.dust)
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
        stuck = await outbound.stuck_slots(connection, settings.id, waited, BUMP_BATCH)
        done = [await _bump(connection, settings, state, estimate) for state in stuck]
    return sum(done)


async def _bump(connection: Connection, settings: ChainSettings, state: OpenSlot, estimate: int) -> int:
    before = state.newest
    rate = rules.replacement_rate(before.rate, estimate, settings.fees.rate_ceiling)
    own = state.own_outputs.get(before.number, ())
    made = rules.replace(state.coins, state.payments, own, before.fee, rate, settings.dust) if rate else None
    if made is None:
        _log.warning("stuck, and no replacement can be made", slot_id=state.slot.id, rate=before.rate)
        return 0
    draft = Draft(settings.id, state.slot.kind, made.coins, state.payments, made.own_outputs, made.rate)
    try:
        async with connection.transaction():
            previous = await coins.previous_txs(connection, draft)
            await outbound.add_version(connection, settings, state.slot.id, draft, previous)
    except (DraftInvalidError, CoinTakenError) as error:
        _log.warning("no replacement", slot_id=state.slot.id, reason=error.message)
        return 0
    return 1


async def _may_open(connection: Connection, planner: Planner, kind: SlotKind) -> bool:
    if await outbound.open_count(connection, planner.settings.id, kind):
        return False
    failed = await outbound.abandoned_at(connection, planner.settings.id, kind)
    return failed is None or failed <= planner.clock.now() - RETRY_AFTER


async def _open(connection: Connection, settings: ChainSettings, draft: Draft) -> None:
    await outbound.open_slot(connection, settings, draft, await coins.previous_txs(connection, draft))
