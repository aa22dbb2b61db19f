"""Payouts that hot cannot pay wait alone: another merchant's, of the same id or behind them, is paid all the same."""

from __future__ import annotations

import pytest

from strongroom.payouts.model import PayoutState
from strongroom.treasury import planning
from strongroom.wallets.model import KeySetKind
from strongroom_core.ids import PayoutId
from tests.integration.outbound.test_refusals import ended
from tests.integration.outbound.world import World
from tests.unit.signer.kit import SATS


async def test_one_that_hot_is_short_of_holds_back_no_other_of_its_id(world: World) -> None:
    hostile, victim = await world.shop("hostile"), await world.shop("victim")
    await world.fund(hostile, 3 * SATS, kind=KeySetKind.COLD)
    await world.fund(victim, SATS)
    payout, place = PayoutId.new(), world.node.new_address()
    await world.pay(hostile, hostile.intent(2 * SATS, world.node.new_address(), payout=payout))
    paid = await world.pay(victim, victim.intent(SATS // 2, place, payout=payout))

    assert await world.planner.plan() == 1
    await ended(world, victim, paid, PayoutState.BROADCAST)

    assert world.received(place) == [SATS // 2]
    assert (await world.payout(hostile, payout)).state is PayoutState.HOT_SHORT


async def test_very_many_of_one_merchant_that_wait_hide_nobody_elses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "QUEUE_BATCH", 3)
    hostile, victim = await world.shop("hostile"), await world.shop("victim")
    await world.fund(hostile, 5 * SATS, kind=KeySetKind.COLD)
    await world.fund(victim, SATS)
    for _ in range(4):
        await world.pay(hostile, hostile.intent(SATS + SATS // 10, world.node.new_address()))
    place = world.node.new_address()
    paid = await world.pay(victim, victim.intent(SATS // 2, place))

    assert await world.planner.plan() == 1
    await ended(world, victim, paid, PayoutState.BROADCAST)

    assert world.received(place) == [SATS // 2]
