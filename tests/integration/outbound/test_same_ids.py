"""Two merchants that gave their payouts one id: both are paid or refused on their own, by the real signers too."""

from __future__ import annotations

from strongroom.ledger.model import AccountType
from strongroom.payouts.model import PayoutState
from strongroom_core.ids import PayoutId
from tests.integration.outbound.test_refusals import ended
from tests.integration.outbound.world import HORIZON, Shop, World
from tests.unit.signer.kit import SATS


async def trusted(world: World, *shops: Shop) -> None:
    """Have both signers agree to a payout of each, so that they may share chain txs; they are paid for good."""
    for shop in shops:
        await world.pay(shop, shop.intent(100_000, world.node.new_address()))
        await world.turn()
    await world.mine(HORIZON)


async def test_both_are_paid_each_in_a_chain_tx_of_its_own(world: World) -> None:
    shops = [await world.shop("one"), await world.shop("two")]
    for shop in shops:
        await world.fund(shop, 2 * SATS, SATS)
    await trusted(world, *shops)
    payout, places = PayoutId.new(), [world.node.new_address(), world.node.new_address()]
    for shop, place in zip(shops, places, strict=True):
        await world.pay(shop, shop.intent(SATS // 2, place, payout=payout))
    other = await world.pay(shops[0], shops[0].intent(10_000, world.node.new_address()))

    assert await world.planner.plan() == 2  # the first of that id, and what has another one
    for shop in shops:
        await ended(world, shop, await world.payout(shop, payout), PayoutState.BROADCAST)
    await world.mine(HORIZON)

    assert [world.received(place) for place in places] == [[SATS // 2], [SATS // 2]]
    for shop in shops:
        assert (await world.payout(shop, payout)).state is PayoutState.FINAL
        assert await world.balance(AccountType.MERCHANT_HELD, shop.id) == 0
    assert (await world.payout(shops[0], other.id)).state is PayoutState.FINAL
    assert world.pg.execute("SELECT count(DISTINCT slot_id) FROM outbound_payment WHERE payout_id = %s", payout) == [
        (2,)
    ]
    assert world.pg.execute("SELECT count(*) FROM treasury_payable WHERE state <> 'paid'") == [(0,)]


async def test_a_refusal_and_its_void_of_one_do_not_touch_the_other(world: World) -> None:
    good, bad = await world.shop("good"), await world.shop("bad", per_payout=SATS)
    for shop in (good, bad):
        await world.fund(shop, 3 * SATS)
    payout, places = PayoutId.new(), [world.node.new_address(), world.node.new_address()]
    refused = await world.pay(bad, bad.intent(2 * SATS, places[0], payout=payout))
    fine = await world.pay(good, good.intent(2 * SATS, places[1], payout=payout))

    refused = await ended(world, bad, refused, PayoutState.REFUSED)
    fine = await ended(world, good, fine, PayoutState.BROADCAST)
    await world.mine(HORIZON)

    assert (refused.reason_tag, world.received(places[0])) == ("limit-payout", [])
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, bad.id) == 3 * SATS
    assert world.received(places[1]) == [2 * SATS]
    assert (await world.payout(good, payout)).state is PayoutState.FINAL
    assert (await world.payout(bad, payout)).state is PayoutState.REFUSED
    assert await world.balance(AccountType.MERCHANT_HELD, good.id) == 0
    assert world.pg.execute("SELECT merchant_id, state FROM outbound_void") == [(bad.id, "voided")]
