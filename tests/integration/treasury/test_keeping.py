"""The hot band on a real chain: sweeps, intake, hot-short, expiry, merging of coins."""

from __future__ import annotations

import dataclasses
import time
from datetime import timedelta

import msgspec

from strongroom.infra.database import transaction
from strongroom.ledger.model import AccountType
from strongroom.outbound import jobs as outbound_jobs
from strongroom.payouts import service as payouts
from strongroom.payouts.model import PayoutState
from strongroom.treasury import keeping, rules
from strongroom.wallets import service as wallets
from strongroom.wallets.model import AddressRequest, KeySetKind, Purpose
from tests.integration.outbound.world import HORIZON, PAYOUT_FEE, World
from tests.unit.signer.kit import CHAIN, SATS


async def house_deposit(world: World, amount: int, kind: KeySetKind = KeySetKind.HOT) -> None:
    async with transaction(world.treasury) as connection:
        address = await wallets.house_address(connection, CHAIN, kind)
    world.node.pay(address.address, amount)
    await world.mine(HORIZON)


async def intake(world: World) -> KeySetKind:
    await keeping.choose_intake(world.planner)
    async with transaction(world.treasury) as connection:
        return await wallets.intake(connection, CHAIN)


async def test_without_house_capital_all_intake_is_cold_and_what_is_hot_is_swept(world: World) -> None:
    shop = await world.shop()
    assert await intake(world) is KeySetKind.COLD
    await world.fund(shop, 2 * SATS, SATS)

    assert await keeping.sweep(world.planner) == 1
    assert await keeping.sweep(world.planner) == 0  # one at a time
    await world.turn()
    await world.mine(HORIZON)

    fee = -await world.balance(AccountType.NETWORK_FEES)
    assert await world.balance(AccountType.CHAIN_HOT) == 0
    assert await world.balance(AccountType.CHAIN_COLD) == -(3 * SATS - fee)
    async with transaction(world.treasury) as connection:
        held = await wallets.holdings(connection, CHAIN)
    assert (held[KeySetKind.HOT].confirmed, held[KeySetKind.COLD].confirmed) == (0, 3 * SATS - fee)
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 3 * SATS


async def test_hot_never_holds_more_than_the_house_owns_and_the_rest_goes_to_cold(world: World) -> None:
    shop = await world.shop()
    await house_deposit(world, 2 * SATS)
    assert await world.balance(AccountType.HOUSE_CAPITAL) == 2 * SATS
    assert await keeping.sweep(world.planner) == 0
    await world.fund(shop, 3 * SATS)
    assert await intake(world) is KeySetKind.COLD

    assert await keeping.sweep(world.planner) == 1
    await world.turn()
    await world.mine(HORIZON)

    hot = -await world.balance(AccountType.CHAIN_HOT)
    assert 0 < hot <= 2 * SATS
    assert await keeping.sweep(world.planner) == 0


async def test_hot_invoices_are_handed_out_while_the_band_has_room(world: World) -> None:
    await house_deposit(world, SATS, KeySetKind.COLD)
    assert await intake(world) is KeySetKind.HOT
    shop = await world.shop()
    async with transaction(world.api) as connection:
        until = world.clock.now() + timedelta(hours=1)
        wanted = AddressRequest(CHAIN, shop.id, Purpose.INVOICE, "inv", SATS, until)
        await wallets.hand_out_many(connection, [wanted])
    assert await intake(world) is KeySetKind.COLD


async def test_a_payout_that_hot_cannot_cover_is_held_as_hot_short_and_leaves_by_refill_or_cancel(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, SATS, SATS, kind=KeySetKind.COLD)
    destination = world.node.new_address()
    kept = await world.pay(shop, shop.intent(SATS // 2, destination))
    dropped = await world.pay(shop, shop.intent(SATS // 2, destination))
    await world.turn()
    for payout in (kept, dropped):
        found = await world.payout(shop, payout.id)
        assert found.state is PayoutState.HOT_SHORT
        assert "hot" in found.reason
    async with transaction(world.api) as connection:
        assert (await payouts.cancel_payout(connection, shop.id, dropped.id)).state is PayoutState.CANCELLED
    assert await world.balance(AccountType.MERCHANT_HELD, shop.id) == SATS // 2 + PAYOUT_FEE

    await house_deposit(world, SATS)
    await world.turn()
    assert (await world.payout(shop, kept.id)).state is PayoutState.BROADCAST
    assert world.received(destination) == [SATS // 2]


async def test_a_waiting_payout_expires_and_its_hold_is_released(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, SATS, kind=KeySetKind.COLD)
    expires_at = int(time.time()) + 300
    payout = await world.pay(shop, shop.intent(SATS // 2, world.node.new_address(), expires_at=expires_at))
    await world.turn()
    world.clock.ahead = timedelta(seconds=301)
    await world.turn()
    assert (await world.payout(shop, payout.id)).state is PayoutState.EXPIRED
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == SATS


async def test_many_payouts_share_one_chain_tx_once_both_signers_know_the_merchant(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    await world.pay(shop, shop.intent(10_000, world.node.new_address()))
    await world.turn()
    await world.mine(1)
    destinations = [world.node.new_address() for _ in range(12)]
    for destination in destinations:
        await world.pay(shop, shop.intent(20_000, destination))
    await world.turn()
    assert len(world.node.rpc("getrawmempool")) == 1
    assert [world.received(destination) for destination in destinations] == [[20_000]] * 12


async def test_small_coins_are_merged_while_the_rate_is_low(world: World) -> None:
    await house_deposit(world, 5 * SATS, KeySetKind.COLD)
    shop = await world.shop()
    await world.fund(shop, *[30_000] * rules.CONSOLIDATE_COINS)
    assert await keeping.consolidate(world.planner) == 0
    cheap = msgspec.structs.replace(world.chain, fees=msgspec.structs.replace(world.chain.fees, rate_fallback=1))
    assert await keeping.consolidate(dataclasses.replace(world.planner, settings=cheap)) == 1
    await world.turn()
    await world.mine(HORIZON)
    coins = world.pg.execute("SELECT count(*) FROM wallet_coin WHERE kind = 'hot' AND spent_by_txid IS NULL")
    assert coins == [(1,)]
    fee = -await world.balance(AccountType.NETWORK_FEES)
    assert await world.balance(AccountType.CHAIN_HOT) == -(30_000 * rules.CONSOLIDATE_COINS - fee)
    assert await outbound_jobs.sign(world.treasury, world.chain, world.signers) == 0
