"""A payout that might expire between the first signer and the second is not planned: it would bind its intent alone."""

from __future__ import annotations

import time
from datetime import timedelta

from strongroom.ledger.model import AccountType
from strongroom.payouts.model import PayoutState
from strongroom.treasury.planning import EXPIRY_MARGIN
from tests.integration.outbound.world import World
from tests.unit.signer.kit import SATS


async def test_a_payout_about_to_expire_is_left_until_it_has_and_its_money_is_back(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, SATS)
    left = timedelta(seconds=600)
    expires_at = int(time.time() + left.total_seconds())
    payout = await world.pay(shop, shop.intent(SATS // 2, world.node.new_address(), expires_at=expires_at))
    world.clock.ahead = left - EXPIRY_MARGIN / 2
    assert await world.planner.plan() == 0
    assert await world.planner.expire() == 0
    assert (await world.payout(shop, payout.id)).state is PayoutState.QUEUED
    world.clock.ahead = left + timedelta(seconds=1)
    assert await world.planner.plan() == 0
    assert await world.planner.expire() == 1
    await world.facts()
    assert (await world.payout(shop, payout.id)).state is PayoutState.EXPIRED
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == SATS
