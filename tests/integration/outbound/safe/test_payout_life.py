"""A payout on an EVM chain: from queue to final, counted on the node, and booked as the chain has it."""

from __future__ import annotations

import pytest

from strongroom.ledger.model import AccountType
from strongroom.payouts.model import PayoutState
from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum_house import stranger
from tests.integration.outbound.safe.world import ETH, ETHER, HORIZON, PAYOUT_FEE, UNIT, SafeWorld

pytestmark = pytest.mark.slow


async def test_a_payout_draws_pays_exactly_once_and_is_booked_asset_by_asset(world: SafeWorld) -> None:
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    payout = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))

    await world.turn()

    assert world.held(world.place.usdt, stranger(1)) == 250 * UNIT
    assert (await world.payout(shop, payout.id)).state is PayoutState.CONFIRMED
    await world.mine(HORIZON)
    found = await world.payout(shop, payout.id)
    assert found.state is PayoutState.FINAL
    receipt = world.node.receipt(str(found.txid))
    assert receipt is not None
    assert int(receipt["status"], 16) == 1
    hot, cold = world.place.house.deployment.hot_safe, world.place.house.deployment.cold_safe
    assert world.held(world.place.usdt, hot) == -await world.balance(AccountType.CHAIN_HOT, world.usdt) == 0
    assert world.held(world.place.usdt, cold) == -await world.balance(AccountType.CHAIN_COLD, world.usdt)
    assert await world.balance(AccountType.IN_TRANSIT, world.usdt) == 0
    left = await world.balance(AccountType.MERCHANT_AVAILABLE, world.usdt, shop.id)
    assert left == 750 * UNIT - PAYOUT_FEE


async def test_mixed_assets_share_one_execution(world: SafeWorld) -> None:
    first, second = await world.shop("first"), await world.shop("second")
    world.trust(first, second)
    await world.fund(first, world.usdt, 1_000 * UNIT)
    await world.fund(first, ETH, 3 * ETHER)
    await world.fund(second, world.usdc, 1_000 * UNIT)
    paid = [
        await world.pay(first, first.intent(world.usdt, 100 * UNIT, stranger(1))),
        await world.pay(first, first.intent(ETH, ETHER, stranger(2))),
        await world.pay(second, second.intent(world.usdc, 300 * UNIT, stranger(3))),
    ]

    await world.turn()
    await world.mine(HORIZON)

    assert world.held(world.place.usdt, stranger(1)) == 100 * UNIT
    assert world.held(ZERO_ADDRESS, stranger(2)) == ETHER
    assert world.held(world.place.usdc, stranger(3)) == 300 * UNIT
    owners = (first, first, second)
    states = {(await world.payout(shop, item.id)).state for shop, item in zip(owners, paid, strict=True)}
    assert states == {PayoutState.FINAL}
    assert world.pg.execute("SELECT count(*), count(DISTINCT slot_id) FROM outbound_payment") == [(3, 1)]
