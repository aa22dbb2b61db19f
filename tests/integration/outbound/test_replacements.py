"""Replacements that signers refuse, and replacements that need more coins than the slot has."""

from __future__ import annotations

import dataclasses

import msgspec
from structlog.testing import capture_logs

from strongroom.chains.service import address_to_script, raw_txs
from strongroom.infra.database import transaction
from strongroom.ledger.model import AccountType
from strongroom.outbound import jobs as outbound_jobs
from strongroom.outbound import service as outbound
from strongroom.outbound.model import Draft, SlotKind
from strongroom.outbound.psbt import build, combine
from strongroom.payouts.model import PayoutState
from strongroom.treasury import keeping
from tests.integration.outbound.test_chain_events import mine_empty, sign_as
from tests.integration.outbound.world import HORIZON, PAYOUT_FEE, World
from tests.unit.signer.kit import SATS


def versions(world: World) -> list[tuple[object, ...]]:
    return world.pg.execute("SELECT number, rate, state FROM outbound_version ORDER BY number")


async def stuck(world: World, blocks: int = 2) -> None:
    mine_empty(world, blocks)
    await world.synced()


async def test_a_refused_replacement_waits_longer_each_time_and_does_not_climb(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    payout = await world.pay(shop, shop.intent(SATS, world.node.new_address()))
    await world.turn()
    await stuck(world)
    # The signers' policy ends at 100 sat/vB.
    fees = msgspec.structs.replace(world.chain.fees, rate_fallback=150)
    greedy = dataclasses.replace(world.planner, settings=msgspec.structs.replace(world.chain, fees=fees))

    assert await keeping.bump(greedy) == 1
    with capture_logs() as logs:
        await world.sign()
    [alarm] = [line for line in logs if line["log_level"] == "error"]
    assert (alarm["event"], alarm["tag"], alarm["version"]) == ("a replacement was refused", "fee-rate", 2)
    told = world.pg.execute("SELECT payload->>'tag' FROM outbox_event WHERE topic = 'outbound.bump-refused'")
    assert told == [("fee-rate",)]
    assert versions(world) == [(1, 5, "broadcast"), (2, 150, "abandoned")]
    assert await keeping.bump(greedy) == 0

    await stuck(world)  # due: the same bytes are judged once more, and the wait doubles
    assert await keeping.bump(greedy) == 1
    await world.sign()
    assert versions(world) == [(1, 5, "broadcast"), (2, 150, "abandoned")]
    await stuck(world)
    assert await keeping.bump(greedy) == 0
    await stuck(world)

    assert (
        await keeping.bump(world.planner) == 1
    )  # today's rate is lower: what was sent has to be beaten, not the refused one
    assert versions(world)[-1] == (3, 6, "planned")
    await world.turn()
    await world.mine(HORIZON)
    assert (await world.payout(shop, payout.id)).state is PayoutState.FINAL
    assert versions(world) == [(1, 5, "replaced"), (2, 150, "abandoned"), (3, 6, "final")]


async def test_a_stuck_payout_without_change_is_replaced_with_a_coin_more_that_both_signers_accept(
    world: World,
) -> None:
    shop = await world.shop()
    await world.fund(shop, SATS + PAYOUT_FEE, 300_000)
    destination = world.node.new_address()
    payout = await world.pay(shop, shop.intent(SATS, destination))
    await world.turn()
    assert world.pg.execute("SELECT count(*) FROM outbound_own_output") == [(0,)]
    assert world.pg.execute("SELECT amount FROM outbound_coin") == [(SATS + PAYOUT_FEE,)]
    await stuck(world)

    assert await keeping.bump(world.planner) == 1
    await world.turn()

    assert world.pg.execute("SELECT signer, state FROM outbound_answer WHERE number = 2 ORDER BY signer") == [
        ("A", "signed"),
        ("B", "signed"),
    ]
    assert world.pg.execute("SELECT amount, first_version FROM outbound_coin ORDER BY first_version") == [
        (SATS + PAYOUT_FEE, 1),
        (300_000, 2),
    ]
    [txid] = world.node.rpc("getrawmempool")
    assert len(world.node.rpc("getrawtransaction", txid, True)["vin"]) == 2
    await world.mine(HORIZON)
    found = await world.payout(shop, payout.id)
    assert (found.state, found.txid) == (PayoutState.FINAL, txid)
    assert world.received(destination) == [SATS]
    [(fee,)] = world.pg.execute("SELECT fee FROM outbound_version WHERE number = 2")
    assert -await world.balance(AccountType.NETWORK_FEES) == fee
    assert -await world.balance(AccountType.CHAIN_HOT) == PAYOUT_FEE + 300_000 - fee


async def test_an_older_version_is_offered_again_where_a_coin_that_the_newest_added_is_gone(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, SATS + PAYOUT_FEE, 300_000)
    destination = world.node.new_address()
    payout = await world.pay(shop, shop.intent(SATS, destination))
    await world.turn()
    first = world.node.rpc("getrawmempool")
    await stuck(world)
    assert await keeping.bump(world.planner) == 1
    await world.turn()

    world.node.rpc("generateblock", world.node.new_address(), [await stolen_coin(world, 300_000)])
    await world.synced()
    assert world.node.rpc("getrawmempool") == []
    world.pg.execute("UPDATE outbound_slot SET updated_at = now() - interval '1 hour'")
    await outbound_jobs.rebroadcast(world.treasury, world.chain, world.rpc)
    assert world.node.rpc("getrawmempool") == first
    await world.mine(HORIZON)
    assert (await world.payout(shop, payout.id)).state is PayoutState.FINAL
    assert world.received(destination) == [SATS]


async def stolen_coin(world: World, amount: int) -> str:
    """A thief with both keys spends one coin of the only open slot: the raw chain tx, in hex."""
    async with transaction(world.treasury) as connection:
        state = (await outbound.open_slots(connection, world.chain.id))[0]
        coins = tuple(coin for coin in state.coins if coin.amount == amount)
        previous = await raw_txs(connection, world.chain.id, [coin.txid for coin in coins])
    script = address_to_script(world.chain.id, world.node.new_address())
    paid = dataclasses.replace(state.payments[0], amount=amount - 5_000, fee=0, script=script)
    built = build(world.chain, Draft(world.chain.id, SlotKind.PAYOUTS, coins, (paid,), (), 30), previous)
    return combine(built.psbt, [sign_as(built.psbt, "A"), sign_as(built.psbt, "B")]).hex()
