"""Reorganisations of a real anvil: confirmed goes back, is executed again, and pays once."""

from __future__ import annotations

import pytest

from strongroom.ledger.model import AccountType
from strongroom.outbound.ethereum.rules import OFFER_AGAIN_AFTER
from strongroom.payouts.model import PayoutState
from tests.fixtures.ethereum_house import stranger
from tests.integration.outbound.safe.world import HORIZON, UNIT, SafeWorld

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("depth", [1, 2])
async def test_an_orphaned_execution_goes_back_and_is_executed_once_more(world: SafeWorld, depth: int) -> None:
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    await world.mine(2)
    payout = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.turn()
    assert (await world.payout(shop, payout.id)).state is PayoutState.CONFIRMED
    for _ in range(depth - 1):
        await world.mine()

    world.node.reorganise(depth)
    await world.watched()
    assert world.held(world.place.usdt, stranger(1)) == 0
    for _ in range(8):
        await world.turn()
        await world.retry_now()
        world.clock.ahead += OFFER_AGAIN_AFTER
        world.node.mine()
        if (await world.payout(shop, payout.id)).state is PayoutState.FINAL:
            break

    await world.mine(HORIZON)
    assert (await world.payout(shop, payout.id)).state is PayoutState.FINAL
    assert world.held(world.place.usdt, stranger(1)) == 250 * UNIT
    assert await world.balance(AccountType.IN_TRANSIT, world.usdt) == 0
    cold = world.place.house.deployment.cold_safe
    assert world.held(world.place.usdt, cold) == -await world.balance(AccountType.CHAIN_COLD, world.usdt)
    arrows = [row[0] for row in world.pg.execute("SELECT arrow FROM outbound_history ORDER BY id")]
    assert "confirmed → broadcast" in arrows


async def test_five_slots_are_signed_ahead_and_executed_in_the_order_of_their_nonces(world: SafeWorld) -> None:
    shop = await world.shop()  # not trusted yet: each payout rides alone
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    paid = [await world.pay(shop, shop.intent(world.usdt, (n + 1) * UNIT, stranger(n))) for n in range(7)]
    await world.synced()
    while await world.planner.plan():
        pass
    nonces = world.pg.execute("SELECT vout FROM outbound_coin ORDER BY vout")
    assert nonces == [(number,) for number in range(5)]

    await world.sign()
    for _ in range(20):
        await world.turns(1)
        if world.held(world.place.usdt, stranger(6)):
            break

    assert [world.held(world.place.usdt, stranger(n)) for n in range(7)] == [(n + 1) * UNIT for n in range(7)]
    assert {(await world.payout(shop, item.id)).state for item in paid} <= {PayoutState.CONFIRMED, PayoutState.FINAL}
    txids = world.pg.execute(
        "SELECT slot.txid FROM outbound_slot AS slot JOIN outbound_coin AS coin ON coin.slot_id = id ORDER BY coin.vout"
    )
    receipts = [world.node.receipt(str(row[0])) for row in txids]
    heights = [int(receipt["blockNumber"], 16) for receipt in receipts if receipt]
    assert heights == sorted(heights)
    assert len(heights) == len(txids) >= 6
