"""What lands above the hot band: swept to cold at credit, its size and age published, whatever the chain does next."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from strongroom.infra.database import Connection, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.ledger.model import AccountType
from strongroom.outbound.model import SpentCoin
from strongroom.payouts.model import PayoutState
from strongroom.treasury import coins, keeping
from strongroom.treasury import service as treasury
from strongroom.treasury.model import Band, BandStatus
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeySetKind, Purpose
from tests.fixtures.bitcoin import MINER_WALLET
from tests.integration.outbound.test_chain_events import mine_empty
from tests.integration.outbound.world import HORIZON, Shop, World
from tests.integration.treasury.test_keeping import house_deposit
from tests.unit.signer.kit import CHAIN, SATS


async def land(world: World, shop: Shop, *amounts: int) -> list[str]:
    """Payments to hot addresses, in one block: credited by the tier of this chain, far from the horizon."""
    async with transaction(world.treasury) as connection:
        await wallets.set_intake(connection, CHAIN, KeySetKind.HOT)
    async with transaction(world.api) as connection:
        pool = await wallets.hand_out(connection, CHAIN, shop.id, Purpose.INVOICE, "test", count=len(amounts))
    txids = [world.node.pay(item.address, amount) for item, amount in zip(pool, amounts, strict=True)]
    await world.mine(1)
    return txids


async def status(world: World) -> BandStatus:
    async with transaction(world.api) as connection:
        [found] = await treasury.band_status(connection, CHAIN)
    return found


def slots(world: World) -> list[tuple[object, ...]]:
    return world.pg.execute("SELECT kind, state FROM outbound_slot ORDER BY created_at")


async def double_spend(world: World, txid: str) -> None:
    """Replace the last block by two in which the payer has spent the coins of ``txid`` elsewhere."""
    world.node.rpc("invalidateblock", world.node.rpc("getbestblockhash"))
    spent = world.node.rpc("getrawtransaction", txid, True)["vin"]
    inputs = [{"txid": item["txid"], "vout": item["vout"]} for item in spent]
    worth = sum(round(world.node.rpc("gettxout", item["txid"], item["vout"], False)["value"] * SATS) for item in inputs)
    amount = f"{Decimal(worth - 100_000).scaleb(-8):f}"
    raw = world.node.rpc("createrawtransaction", inputs, {world.node.new_address(): amount})
    signed = world.node.rpc("signrawtransactionwithwallet", raw, wallet=MINER_WALLET)
    assert signed["complete"]
    world.node.rpc("generateblock", world.node.new_address(), [signed["hex"]])
    mine_empty(world, 1)
    await world.synced()


async def test_what_lands_above_the_band_is_swept_when_it_is_credited_and_published_until_then(world: World) -> None:
    shop = await world.shop()
    await house_deposit(world, 2 * SATS)
    await keeping.measure(world.planner)
    assert (await status(world)).since is None
    await land(world, shop, 3 * SATS)
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 3 * SATS

    with capture_logs() as logs:
        await keeping.measure(world.planner)
    told = await status(world)
    assert (told.held, told.high, told.above) == (5 * SATS, 2 * SATS, 3 * SATS)
    assert told.since == told.measured_at
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["hot is above its band"]
    world.clock.ahead = timedelta(minutes=5)
    assert await keeping.sweep(world.planner) == 1
    assert await keeping.sweep(world.planner) == 0
    later = await status(world)
    assert later.since == told.since  # its age counts on, until a block has the sweep
    assert later.measured_at - told.measured_at >= timedelta(minutes=5)
    assert world.pg.execute("SELECT amount FROM outbound_coin") == [(3 * SATS,)]
    assert world.pg.execute("SELECT DISTINCT key_set FROM outbound_own_output") == [("cold",)]

    await world.turn()
    await world.mine(1)
    await keeping.measure(world.planner)
    told = await status(world)
    assert (told.held, told.above, told.since) == (2 * SATS, 0, None)
    await world.mine(HORIZON - 1)
    fee = -await world.balance(AccountType.NETWORK_FEES)
    assert await world.balance(AccountType.CHAIN_COLD) == -(3 * SATS - fee)
    assert await world.balance(AccountType.CHAIN_HOT) == -2 * SATS


async def test_house_capital_that_is_credited_while_coins_are_read_is_not_swept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house_deposit(world, 2 * SATS)
    real_band, real_landed, credited = keeping.band, coins.landed, []

    async def landed(connection: Connection, settings: ChainSettings, height: int) -> list[SpentCoin]:
        credited.append(True)
        return await real_landed(connection, settings, height)

    async def band(connection: Connection, settings: ChainSettings) -> Band:
        return await real_band(connection, settings) if credited else Band(0, 0)

    monkeypatch.setattr(coins, "landed", landed)
    monkeypatch.setattr(keeping, "band", band)
    assert await keeping.sweep(world.planner) == 0
    assert slots(world) == []


async def test_what_has_just_landed_is_swept_but_pays_nobody(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 2 * SATS, kind=KeySetKind.COLD)
    await land(world, shop, SATS)
    await world.pay(shop, shop.intent(SATS // 2, world.node.new_address()))
    assert await world.planner.plan() == 0
    assert await keeping.sweep(world.planner) == 1


async def test_a_sweep_whose_deposit_is_double_spent_ends_and_frees_its_other_coins(world: World) -> None:
    shop = await world.shop()
    await house_deposit(world, 2 * SATS)
    gone, _ = await land(world, shop, 3 * SATS, 3 * SATS // 2)
    assert await keeping.sweep(world.planner) == 1
    await world.turn()
    assert slots(world) == [("sweep", "broadcast")]

    await double_spend(world, gone)
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 0  # both reversed; one comes back
    await world.mine(1)
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 3 * SATS // 2
    await keeping.measure(world.planner)
    assert await keeping.bump(world.planner) == 0  # no fee brings it back
    payout = await world.pay(shop, shop.intent(SATS // 2, world.node.new_address()))
    await world.turn()
    assert (await world.payout(shop, payout.id)).state is PayoutState.BROADCAST
    for _ in range(HORIZON):
        assert ("sweep", "broadcast") in slots(world)
        await world.mine(1)
        await keeping.measure(world.planner)
    assert slots(world) == [("sweep", "abandoned"), ("payouts", "final")]

    world.clock.ahead = timedelta(minutes=5)
    assert await keeping.sweep(world.planner) == 1
    await world.turn()
    await world.mine(HORIZON)
    assert slots(world)[-1] == ("sweep", "final")
    assert await world.balance(AccountType.CHAIN_COLD) < 0
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == SATS - 1_000


async def test_a_sweep_that_was_given_up_and_is_mined_after_all_is_in_the_books(world: World) -> None:
    shop = await world.shop()
    await land(world, shop, 3 * SATS)
    assert await keeping.sweep(world.planner) == 1
    await world.turn()
    world.node.reorganise(1, keep_mempool=False)
    await world.synced()
    await keeping.measure(world.planner)
    mine_empty(world, HORIZON)
    await world.synced()
    await keeping.measure(world.planner)
    assert slots(world) == [("sweep", "abandoned")]
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 0

    await world.mine(1)  # the deposit and the old sweep were still in the mempool
    assert slots(world) == [("sweep", "confirmed")]
    await world.mine(HORIZON - 1)
    assert slots(world) == [("sweep", "final")]
    fee = -await world.balance(AccountType.NETWORK_FEES)
    assert fee > 0
    assert await world.balance(AccountType.CHAIN_HOT) == 0
    assert await world.balance(AccountType.CHAIN_COLD) == -(3 * SATS - fee)
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 3 * SATS


async def test_a_sweep_waits_for_the_books_where_a_stop_keeps_its_deposit_out_of_them(world: World) -> None:
    shop = await world.shop()
    await land(world, shop, 3 * SATS)
    assert await keeping.sweep(world.planner) == 1
    await world.turn()
    world.pg.execute("INSERT INTO stop_switch (name, reason, set_by) VALUES ('credit', 'test', 'test')")
    world.node.reorganise(1)
    await world.synced()
    await world.mine(HORIZON)
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 0
    assert slots(world) == [("sweep", "confirmed")]

    world.pg.execute("UPDATE stop_switch SET cleared_at = now()")
    await world.mine(1)
    await world.mine(1)
    assert slots(world) == [("sweep", "final")]
    assert await world.balance(AccountType.CHAIN_HOT) == 0
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 3 * SATS
