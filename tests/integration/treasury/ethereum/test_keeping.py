"""Hot stays small and bounded, forwarders are gathered, and what hot cannot cover waits with a reason."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.chains.ethereum.contracts import SweepItem
from strongroom.infra.database import transaction
from strongroom.ledger.model import AccountType
from strongroom.outbound import jobs as slot_jobs
from strongroom.payouts.model import PayoutState
from strongroom.treasury import service as treasury
from strongroom.treasury import store as treasury_store
from strongroom.treasury.ethereum import planning, store
from strongroom.wallets import service as wallets
from strongroom.wallets.model import Purpose
from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum_house import stranger
from tests.integration.outbound.safe.world import CHAIN, ETH, ETHER, HORIZON, UNIT, SafeWorld, Shop

pytestmark = pytest.mark.slow


async def deposit(world: SafeWorld, shop: Shop, token: bytes, amount: int) -> bytes:
    """Have a payer pay to a fresh address of a merchant; the forwarder."""
    async with transaction(world.api) as connection:
        (address,) = await wallets.hand_out(connection, CHAIN, shop.id, Purpose.INVOICE, "test")
    world.place.house.pay(token, address.script, amount)
    await world.mine()
    return address.script


async def gathered(world: SafeWorld) -> None:
    for _ in range(3):
        await world.gather()
        await world.relay()
        await world.mine()
    await world.mine(HORIZON)
    await world.relay()
    await world.gather()


async def test_forwarders_are_swept_to_cold_in_one_chain_tx_and_the_books_do_not_change(world: SafeWorld) -> None:
    shop = await world.shop()
    cold = world.place.house.deployment.cold_safe
    before = world.held(world.place.usdt, cold)
    places = [await deposit(world, shop, world.place.usdt, number * 100 * UNIT) for number in (1, 2)]
    await deposit(world, shop, ZERO_ADDRESS, ETHER)
    booked = await world.balance(AccountType.CHAIN_COLD, world.usdt)

    await gathered(world)

    assert [world.held(world.place.usdt, place) for place in places] == [0, 0]
    assert world.held(world.place.usdt, cold) == before + 300 * UNIT
    assert await world.balance(AccountType.CHAIN_COLD, world.usdt) == booked
    assert world.pg.execute("SELECT state, count(*) FROM treasury_gathering GROUP BY state") == [("done", 1)]
    assert world.pg.execute("SELECT count(*) FROM treasury_gathered WHERE left_over = 0") == [(3,)]
    async with transaction(world.treasury) as connection:
        await world.gather()
        assert await store.waiting(connection) == []


async def test_little_waits_until_it_is_worth_the_gas_or_a_day_old_and_its_size_is_published(world: SafeWorld) -> None:
    shop = await world.shop()
    place = await deposit(world, shop, world.place.usdt, 15_000)  # not twenty times the least deposit
    assert await world.gather() == 0
    async with transaction(world.treasury) as connection:
        (waiting,) = await store.waiting(connection, CHAIN)
    assert (waiting.asset, waiting.amount, waiting.forwarders) == (world.usdt, 15_000, 1)

    world.clock.ahead = timedelta(hours=25)
    await gathered(world)
    assert world.held(world.place.usdt, place) == 0


async def test_a_token_that_will_not_move_stops_no_other(world: SafeWorld) -> None:
    shop = await world.shop()
    stuck = await deposit(world, shop, world.place.usdc, 100 * UNIT)
    fine = await deposit(world, shop, world.place.usdt, 100 * UNIT)
    world.block_usdc(stuck, blocked=True)

    await gathered(world)

    assert world.held(world.place.usdt, fine) == 0
    assert world.held(world.place.usdc, stuck) == 100 * UNIT
    assert world.pg.execute("SELECT asset, reason FROM treasury_stuck") == [(world.usdc, "the token did not move")]
    world.block_usdc(stuck, blocked=False)
    world.clock.ahead = timedelta(hours=1)
    await gathered(world)
    assert world.held(world.place.usdc, stuck) == 0
    assert world.pg.execute("SELECT count(*) FROM treasury_stuck") == [(0,)]


async def test_what_strangers_have_swept_and_dust_make_room_for_what_is_worth_gathering(world: SafeWorld) -> None:
    shop = await world.shop()
    swept = [await deposit(world, shop, world.place.usdt, 900 * UNIT) for _ in range(2)]
    numbers = world.pg.execute("SELECT index FROM wallet_address WHERE script = ANY (%s) ORDER BY index", swept)
    branch = shop.merchant.branch
    items = [SweepItem(branch, int(str(row[0])), world.place.usdt) for row in numbers]
    world.place.house.sweep(*items)
    await world.mine(HORIZON + 1)
    fine = await deposit(world, shop, world.place.usdc, 100 * UNIT)

    await gathered(world)

    assert world.held(world.place.usdc, fine) == 0
    assert world.pg.execute("SELECT asset, count(*) FROM treasury_gathered GROUP BY 1") == [(world.usdc, 1)]
    await world.gather()
    async with transaction(world.treasury) as connection:
        await world.gather()
        assert await store.waiting(connection, CHAIN) == []


async def test_one_assets_queue_hides_no_other_asset(world: SafeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "QUEUE_BATCH", 2)
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    await world.fund(shop, world.usdc, 1_000 * UNIT)
    world.pause_usdt(paused=True)
    for number in range(3):
        await world.pay(shop, shop.intent(world.usdt, UNIT, stranger(number)))
    await world.pay(shop, shop.intent(world.usdc, 5 * UNIT, stranger(9)))
    await world.turns(2)
    assert world.held(world.place.usdc, stranger(9)) == 5 * UNIT


async def test_one_unit_sent_to_the_hot_safe_stops_draws_only_until_it_is_swept(world: SafeWorld) -> None:
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    world.set_limit(world.place.usdt, 200_000 * UNIT)  # all of the capital
    world.node.rpc("evm_increaseTime", 90_000)
    world.place.house.pay(world.place.usdt, world.place.house.deployment.hot_safe, 1)
    payout = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.turn()
    assert (await world.payout(shop, payout.id)).state is PayoutState.HOT_SHORT
    assert await world.sweep() == 1
    await world.turns(3)
    await world.mine(HORIZON)
    await world.turns(2)
    assert world.held(world.place.usdt, stranger(1)) == 250 * UNIT


async def test_a_payout_beyond_the_days_allowance_waits_as_hot_short_and_is_paid_when_it_has_flowed_back(
    world: SafeWorld,
) -> None:
    shop = await world.shop(per_payout=90_000, per_window=300_000, unlisted_per_window=300_000)
    world.set_limit(world.place.usdt, 1_000 * UNIT)
    await world.fund(shop, world.usdt, 10_000 * UNIT)
    first = await world.pay(shop, shop.intent(world.usdt, 800 * UNIT, stranger(1)))
    await world.turn()
    short = await world.pay(shop, shop.intent(world.usdt, 700 * UNIT, stranger(2)))
    small = await world.pay(shop, shop.intent(world.usdt, 100 * UNIT, stranger(3)))

    await world.turns(2)

    assert (await world.payout(shop, first.id)).state is not PayoutState.HOT_SHORT
    assert (await world.payout(shop, short.id)).state is PayoutState.HOT_SHORT
    assert world.held(world.place.usdt, stranger(3)) == 100 * UNIT  # it does not stop the smaller one behind it
    assert (await world.payout(shop, small.id)).state is not PayoutState.HOT_SHORT
    world.node.rpc("evm_increaseTime", 80_000)
    world.node.mine()
    await world.turns(2)
    assert world.held(world.place.usdt, stranger(2)) == 700 * UNIT


async def test_what_hot_holds_above_the_band_goes_to_cold_and_what_nobody_told_of_to_suspense(world: SafeWorld) -> None:
    made = world.place.house.deployment
    world.place.house.pay(world.place.usdt, made.hot_safe, 5_000 * UNIT)
    world.place.house.pay(ZERO_ADDRESS, made.hot_safe, ETHER)
    cold = world.held(world.place.usdt, made.cold_safe)
    await world.synced()

    assert await world.sweep() == 1
    await world.sign()
    await world.turns(2)
    await world.mine(HORIZON)

    assert world.held(world.place.usdt, made.hot_safe) == world.held(ZERO_ADDRESS, made.hot_safe) == 0
    assert world.held(world.place.usdt, made.cold_safe) == cold + 5_000 * UNIT
    assert world.pg.execute("SELECT kind, state FROM outbound_slot") == [("sweep", "final")]
    assert await world.balance(AccountType.SUSPENSE, world.usdt) == 5_000 * UNIT
    assert await world.balance(AccountType.SUSPENSE, ETH) == ETHER
    assert -await world.balance(AccountType.CHAIN_COLD, world.usdt) == cold + 5_000 * UNIT


async def test_dust_that_a_stranger_sends_to_the_hot_safe_keeps_no_payout_from_being_final(world: SafeWorld) -> None:
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    world.place.house.pay(world.place.usdt, world.place.house.deployment.hot_safe, 7)
    payout = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))

    await world.turns(2)
    await world.mine(HORIZON)

    assert (await world.payout(shop, payout.id)).state is PayoutState.FINAL
    assert await world.balance(AccountType.SUSPENSE, world.usdt) == 7
    assert await world.balance(AccountType.CHAIN_HOT, world.usdt) == 0
    cold = world.place.house.deployment.cold_safe
    assert -await world.balance(AccountType.CHAIN_COLD, world.usdt) == world.held(world.place.usdt, cold)


async def test_beyond_the_houses_capital_there_is_an_alarm_and_nothing_is_drawn(world: SafeWorld) -> None:
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    world.set_limit(world.place.usdt, 200_001 * UNIT)
    world.node.rpc("evm_increaseTime", 90_000)
    world.node.mine()
    payout = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.synced()

    await world.guard()
    await world.turn()

    assert (await world.payout(shop, payout.id)).state is PayoutState.HOT_SHORT
    assert world.held(world.place.usdt, stranger(1)) == 0
    async with transaction(world.treasury) as connection:
        statuses = {item.asset: item for item in await treasury.band_status(connection, CHAIN)}
    assert statuses[world.usdt].above == UNIT
    assert statuses[ETH].above == 0
    assert world.pg.execute("SELECT count(*) FROM outbox_event WHERE topic = 'treasury.bound-exceeded'") == [(1,)]

    world.set_limit(world.place.usdt, 1_000 * UNIT)
    await world.turns(2)
    assert world.held(world.place.usdt, stranger(1)) == 250 * UNIT


async def test_gas_that_is_spent_does_not_lift_the_bound_on_what_a_thief_could_take(world: SafeWorld) -> None:
    async def capital() -> int:
        async with transaction(world.treasury) as connection:
            view = await world.planner.look(connection, planning=False)
            assert view is not None
            return (await world.planner.bound(connection, ETH, view.height))[0].capital

    shop = await world.shop()
    await world.synced()
    before, booked = await capital(), await world.balance(AccountType.HOUSE_CAPITAL, ETH)
    await deposit(world, shop, world.place.usdt, 100 * UNIT)
    await gathered(world)
    spent = -await world.balance(AccountType.NETWORK_FEES, ETH)
    assert spent > 0
    assert await world.balance(AccountType.HOUSE_CAPITAL, ETH) == booked + spent, "gas is paid in as it is spent"
    assert await capital() == before


async def test_a_waiting_payout_expires_and_its_hold_is_back(world: SafeWorld) -> None:
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    world.pause_usdt(paused=True)
    payout = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.turn()
    world.clock.ahead = timedelta(hours=2)
    await world.turn()
    await slot_jobs.void(world.treasury, world.chain, world.signers)
    assert (await world.payout(shop, payout.id)).state is PayoutState.EXPIRED
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, world.usdt, shop.id) == 1_000 * UNIT


async def test_what_a_payout_waits_for_is_gathered_at_once_and_no_more_than_it_needs(world: SafeWorld) -> None:
    """Three forwarders with too little to be worth their gas; the payout needs the largest two of them."""
    shop, other = await world.shop("one"), await world.shop("two")
    small = [await deposit(world, shop, world.place.usdt, amount) for amount in (12_000, 40_000, 30_000)]
    others = await deposit(world, other, world.place.usdt, 50_000)
    assert await world.gather() == 0
    payout = await world.pay(shop, shop.intent(world.usdt, 60_000, stranger(1)))
    async with transaction(world.treasury) as connection:
        await treasury_store.set_unproven(connection, [payout.hold_id], unproven=True)

    await gathered(world)

    assert [world.held(world.place.usdt, place) for place in small] == [12_000, 0, 0]
    assert world.held(world.place.usdt, others) == 50_000
    assert world.pg.execute("SELECT count(*) FROM treasury_gathering") == [(1,)]


async def test_dust_is_gathered_where_a_payout_waits_for_it(world: SafeWorld) -> None:
    shop = await world.shop()
    dust = [await deposit(world, shop, world.place.usdt, amount) for amount in (6_000, 5_000)]
    payout = await world.pay(shop, shop.intent(world.usdt, 7_000, stranger(1)))
    async with transaction(world.treasury) as connection:
        await treasury_store.set_unproven(connection, [payout.hold_id], unproven=True)
    await gathered(world)
    assert [world.held(world.place.usdt, place) for place in dust] == [0, 0]
