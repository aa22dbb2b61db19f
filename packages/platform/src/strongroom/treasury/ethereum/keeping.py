"""Keeping hot small on an EVM chain: the bound is measured and published, what is above the band goes to cold."""

from __future__ import annotations

import structlog

from strongroom.infra import outbox
from strongroom.infra.database import Connection, transaction
from strongroom.outbound import service as outbound
from strongroom.outbound.model import SlotKind
from strongroom.outbound.safe import service as safes
from strongroom.outbound.safe.model import Portion, SafeDraft
from strongroom.treasury import store
from strongroom.treasury.ethereum import rules
from strongroom.treasury.ethereum import store as own
from strongroom.treasury.ethereum.model import Bound
from strongroom.treasury.ethereum.planning import SafePlanner, View
from strongroom.treasury.keeping import RETRY_AFTER
from strongroom.treasury.model import BandStatus

_log = structlog.get_logger(__name__)


async def guard(planner: SafePlanner) -> int:
    """Compare what theft of all online keys could take with the house's capital, asset by asset; 0.

    hot + what is left of the allowance ≤ house capital. Beyond it an alarm is published, and planning draws nothing.
    """
    async with transaction(planner.pool) as connection:
        view = await planner.look(connection, planning=False)
        if view is None:
            return 0
        for asset in planner.settings.held_assets:
            bound, _ = await planner.bound(connection, asset.id, view.height)
            await _publish(connection, planner, bound)
    return 0


async def _publish(connection: Connection, planner: SafePlanner, bound: Bound) -> None:
    """Keep the measure, and tell when it becomes too much."""
    chain, held = planner.settings.id, bound.hot + bound.left
    status = BandStatus(chain, bound.asset, held, bound.capital, bound.above, None, planner.clock.now())
    kept = await store.measure_band(connection, status)
    if kept.since != kept.measured_at:
        return
    payload = {
        "chain": chain,
        "asset": bound.asset,
        "hot": str(bound.hot),
        "allowance_left": str(bound.left),
        "house_capital": str(bound.capital),
    }
    _log.error("more than the house's capital is within reach of online keys: draws stop", **payload)
    await outbox.publish(connection, "treasury.bound-exceeded", bound.asset, payload)


async def sweep(planner: SafePlanner) -> int:
    """Bring to cold what the hot Safe holds above the band, of all assets in one slot; the count of slots planned.

    Only while no slot is open: what open slots take is not above anything yet.
    """
    async with transaction(planner.pool) as connection:
        view = await planner.look(connection)
        if view is None or view.standing.slots or not await _has_rested(connection, planner):
            return 0
        nonce = safes.next_nonce(view.nonce, view.standing)
        sweeps = await _above(connection, planner, view)
        if nonce is None or not sweeps:
            return 0
        draft = SafeDraft(planner.settings.id, SlotKind.SWEEP, nonce, sweeps=sweeps)
        if why := await planner.safes.would_fail(draft):
            _log.error("a sweep to cold would fail", chain=planner.settings.id, reason=why)
            return 0
        await safes.open_slot(connection, planner.settings, draft)
        for item in sweeps:
            payload = {"chain": planner.settings.id, "asset": item.asset, "amount": str(item.amount)}
            await outbox.publish(connection, "treasury.sweep", planner.settings.id, payload)
    return 1


async def _above(connection: Connection, planner: SafePlanner, view: View) -> tuple[Portion, ...]:
    found = []
    for asset in planner.settings.held_assets:
        bound, _ = await planner.bound(connection, asset.id, view.height)
        waiting = await own.queued_total(connection, planner.settings.id, asset.id)
        amount = rules.excess(
            bound,
            target=asset.band.target,
            high=asset.band.high,
            waiting=waiting,
            dust=max(1, asset.minimum_deposit),
        )
        if amount:
            found.append(Portion(asset.id, amount))
    return tuple(found)


async def _has_rested(connection: Connection, planner: SafePlanner) -> bool:
    failed = await outbound.abandoned_at(connection, planner.settings.id, SlotKind.SWEEP)
    return failed is None or failed <= planner.clock.now() - RETRY_AFTER
