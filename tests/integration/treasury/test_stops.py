"""When nothing may leave: payouts stopped by a hand, or a chain that cannot be relied on."""

from __future__ import annotations

from strongroom.infra.database import transaction
from strongroom.infra.stops import Stop, clear_stop, set_stop
from strongroom.payouts.model import PayoutState
from tests.integration.outbound.parts import until
from tests.integration.outbound.world import World
from tests.unit.signer.kit import CHAIN, SATS


async def test_a_stop_of_payouts_holds_back_what_waits_and_a_cleared_one_lets_it_go(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 2 * SATS)
    payout = await world.pay(shop, shop.intent(SATS, world.node.new_address()))
    async with transaction(world.api) as connection:
        await set_stop(connection, Stop.PAYOUTS, "incident", "operator", CHAIN)
    assert await world.planner.plan() == 0
    assert (await world.payout(shop, payout.id)).state is PayoutState.QUEUED
    async with transaction(world.worker) as connection:
        await clear_stop(connection, Stop.PAYOUTS, "over", "operator", CHAIN)
    assert await world.planner.plan() == 1


async def test_nothing_is_planned_while_the_chain_cannot_be_relied_on(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 2 * SATS)
    await world.pay(shop, shop.intent(SATS, world.node.new_address()))
    async with transaction(world.treasury) as connection:
        assert await world.planner.ready(connection) is not None
    world.node.kill()

    async def noticed() -> bool:
        return world.pg.execute("SELECT status FROM chain_status") == [("down",)]

    await until(noticed)
    async with transaction(world.treasury) as connection:
        assert await world.planner.ready(connection) is None
