"""Two merchants that gave their payouts one id, on an EVM chain: each is paid, in an execution of its own."""

from __future__ import annotations

import pytest

from strongroom.payouts.model import PayoutState
from strongroom_core.ids import PayoutId
from tests.fixtures.ethereum_house import stranger
from tests.integration.outbound.safe.world import HORIZON, UNIT, SafeWorld

pytestmark = pytest.mark.slow


async def test_both_are_paid_each_at_a_nonce_of_its_own(world: SafeWorld) -> None:
    shops = [await world.shop("first"), await world.shop("second")]
    world.trust(*shops)
    payout = PayoutId.new()
    for number, shop in enumerate(shops):
        await world.fund(shop, world.usdt, 1_000 * UNIT)
        await world.pay(shop, shop.intent(world.usdt, (100 + number) * UNIT, stranger(number), payout=payout))

    for _ in range(3):
        await world.turn()
        await world.mine(HORIZON)
        await world.retry_now()

    for number, shop in enumerate(shops):
        assert world.held(world.place.usdt, stranger(number)) == (100 + number) * UNIT
        assert (await world.payout(shop, payout)).state is PayoutState.FINAL
    assert world.pg.execute("SELECT count(*), count(DISTINCT slot_id) FROM outbound_payment") == [(2, 2)]
