"""A slot that can never be paid any more is shown to the signers that may have signed it: they give the money back."""

from __future__ import annotations

import pytest

from strongroom.payouts.model import PayoutState
from strongroom.treasury import keeping
from tests.integration.outbound.test_chain_events import mine_empty, stolen
from tests.integration.outbound.world import HORIZON, World
from tests.integration.proofs.showing import Showing
from tests.unit.signer.kit import SATS


@pytest.fixture
def showing(world: World) -> Showing:
    return Showing(world)


BOTH = {("A", "proven", ""), ("B", "proven", "")}


async def test_coins_spent_by_a_foreign_chain_tx_are_shown_beyond_the_horizon(world: World, showing: Showing) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    await showing.until(BOTH)
    payout = await world.pay(shop, shop.intent(SATS, world.node.new_address()))
    await world.planner.plan()
    await world.sign()
    await world.facts()
    theft = await stolen(world, world.node.new_address())
    world.node.rpc("sendrawtransaction", theft.hex())
    await world.mine(HORIZON - 1)
    await showing.turn()
    assert showing.kinds() == ["deposit"]
    await world.mine(1)
    assert (await world.payout(shop, payout.id)).state is PayoutState.REFUSED
    assert showing.kinds() == ["conflict", "deposit"]
    await showing.until(BOTH, count=4)
    for items in showing.journalled("conflicted"):
        assert [len(item["intents"]) for item in items] == [1]


async def test_change_of_a_displaced_version_is_shown_by_what_displaced_it(world: World, showing: Showing) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    await world.pay(shop, shop.intent(SATS, world.node.new_address()))
    await world.turn()
    mine_empty(world, 2)
    await world.synced()
    assert await keeping.bump(world.planner) == 1
    await world.sign()
    await world.mine(1)  # the first version is in a block, its change may be spent
    second = await world.pay(shop, shop.intent(SATS // 2, world.node.new_address()))
    await world.turn()
    world.node.reorganise(1, keep_mempool=False)
    [(raw, txid)] = world.pg.execute("SELECT encode(raw, 'hex'), txid FROM outbound_version WHERE number = 2")
    world.node.rpc("generateblock", world.node.new_address(), [raw])
    mine_empty(world, HORIZON - 1)
    await world.synced()
    assert (await world.payout(shop, second.id)).state is PayoutState.REFUSED
    assert world.pg.execute("SELECT txid FROM proof_wanted WHERE kind = 'conflict'") == [(txid,)]
    await showing.until(BOTH, count=4)
    for items in showing.journalled("conflicted"):
        assert [item["by"] for item in items] == [txid]


async def test_what_no_signer_was_asked_about_is_not_shown(world: World, showing: Showing) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    await world.pay(shop, shop.intent(SATS, world.node.new_address()))
    await world.planner.plan()
    theft = await stolen(world, world.node.new_address())
    world.node.rpc("sendrawtransaction", theft.hex())
    await world.mine(HORIZON)
    await world.turn()
    assert showing.kinds() == ["deposit"]
    await showing.until(BOTH)
