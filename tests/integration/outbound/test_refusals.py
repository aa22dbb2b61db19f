"""A signer that says no, is away, or is halted: the reason is readable, and a hold is released only on a void."""

from __future__ import annotations

import pytest

from strongroom.ledger.model import AccountType
from strongroom.payouts import service as payouts
from strongroom.payouts.model import Payout, PayoutState
from tests.integration.outbound.world import HORIZON, PAYOUT_FEE, Shop, World, enrol
from tests.integration.signer.processes import PASSPHRASE, command
from tests.unit.signer.kit import SATS


async def ended(world: World, shop: Shop, payout: Payout, state: PayoutState) -> Payout:
    found = payout
    for _ in range(6):
        await world.turn()
        await world.retry_now()
        found = await world.payout(shop, payout.id)
        if found.state is state:
            return found
    raise AssertionError(found)


async def test_a_payout_that_the_first_signer_refuses_ends_refused_and_its_hold_is_back_after_a_void(
    world: World,
) -> None:
    shop = await world.shop(per_payout=SATS)
    await world.fund(shop, 3 * SATS)
    destination = world.node.new_address()
    payout = await world.pay(shop, shop.intent(2 * SATS, destination))

    payout = await ended(world, shop, payout, PayoutState.REFUSED)

    assert payout.reason_tag == "limit-payout"
    assert "limit of a single payout" in payout.reason
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 3 * SATS
    assert await world.balance(AccountType.MERCHANT_HELD, shop.id) == 0
    assert world.pg.execute("SELECT count(*) FROM outbound_void WHERE state = 'voided' AND row > 0") == [(1,)]
    assert world.received(destination) == []
    again = await world.pay(shop, shop.intent(SATS, destination))
    await world.turn()
    assert (await world.payout(shop, again.id)).state is PayoutState.BROADCAST


async def test_a_refusal_after_the_other_signer_agreed_is_freed_by_the_refusing_signers_void(world: World) -> None:
    shop = await world.shop(enrolled="A")
    await world.fund(shop, 3 * SATS)
    destination = world.node.new_address()
    payout = await world.pay(shop, shop.intent(SATS, destination))

    payout = await ended(world, shop, payout, PayoutState.REFUSED)

    assert payout.reason_tag == "merchant-unknown"
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 3 * SATS
    assert world.pg.execute("SELECT signer FROM outbound_void") == [("B",)]
    assert world.pg.execute("SELECT state FROM outbound_slot") == [("abandoned",)]
    assert world.received(destination) == []
    # B doubted last, so it is asked first from now on: nothing is bound at A any more.
    next_one = await world.pay(shop, shop.intent(SATS, destination))
    await ended(world, shop, next_one, PayoutState.REFUSED)
    rows = world.pg.execute("SELECT signer, state FROM outbound_answer ORDER BY asked_at")
    assert rows == [("A", "signed"), ("B", "refused"), ("B", "refused")]
    enrol(world.processes[1], shop)
    last = await world.pay(shop, shop.intent(SATS, destination))
    await world.turn()
    assert (await world.payout(shop, last.id)).state is PayoutState.BROADCAST


async def test_one_bad_payout_does_not_take_the_others_of_its_batch_with_it(world: World) -> None:
    good, bad = await world.shop("good"), await world.shop("bad", per_payout=2 * SATS)
    await world.fund(good, SATS, SATS)
    await world.fund(bad, 4 * SATS)
    first, second = world.node.new_address(), world.node.new_address()
    for shop in (good, bad):  # both become merchants that may share a chain tx
        await world.pay(shop, shop.intent(100_000, world.node.new_address()))
        await world.turn()
    await world.mine(HORIZON)

    fine = await world.pay(good, good.intent(SATS // 2, first))
    faulty = await world.pay(bad, bad.intent(5 * SATS // 2, second))
    assert await world.planner.plan() == 2
    refused = await ended(world, bad, faulty, PayoutState.REFUSED)

    assert refused.reason_tag == "limit-payout"
    await ended(world, good, fine, PayoutState.BROADCAST)
    assert world.received(first) == [SATS // 2]
    assert world.received(second) == []


@pytest.mark.parametrize("index", [0, 1])
async def test_with_a_signer_stopped_nothing_moves_and_nothing_is_bound_until_it_is_back(
    world: World, index: int
) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    destination = world.node.new_address()
    world.processes[index].stop()
    payout = await world.pay(shop, shop.intent(SATS, destination))

    for _ in range(3):
        await world.turn()
        await world.retry_now()
    assert (await world.payout(shop, payout.id)).state is PayoutState.PLANNED
    assert "does not answer" in str(world.pg.execute("SELECT reason FROM outbound_slot")[0][0])
    assert world.pg.execute("SELECT count(*) FROM outbound_answer") == [(0,)]
    assert world.received(destination) == []
    assert await world.balance(AccountType.MERCHANT_HELD, shop.id) == SATS + PAYOUT_FEE

    world.processes[index].start()
    await world.retry_now()
    await world.turn()
    assert world.received(destination) == [SATS]


async def test_a_halted_signer_stops_everything_until_a_hand_resumes_it(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    destination = world.node.new_address()
    process = world.processes[1]
    halted = command("halt", "--socket", str(process.socket), "--reason", "drill")
    assert halted.returncode == 0, halted.stderr
    payout = await world.pay(shop, shop.intent(SATS, destination))
    await world.turn()
    assert (await world.payout(shop, payout.id)).state is PayoutState.PLANNED
    assert "halted: drill" in str(world.pg.execute("SELECT reason FROM outbound_slot")[0][0])

    resumed = command("resume", "--dir", str(process.folder.root), passphrase=PASSPHRASE)
    assert resumed.returncode == 0, resumed.stderr
    await world.retry_now()
    await world.turn()
    assert world.received(destination) == [SATS]


async def test_a_waiting_payout_that_a_signer_has_seen_is_cancelled_only_by_a_void(world: World) -> None:
    good, bad = await world.shop("good"), await world.shop("bad", per_payout=SATS)
    await world.fund(good, SATS)
    await world.fund(bad, 2 * SATS)
    for shop in (good, bad):
        world.pg.execute("INSERT INTO treasury_trusted VALUES (%s, %s, true)", world.chain.id, shop.id)
    seen = await world.pay(good, good.intent(SATS // 2, world.node.new_address()))
    await world.pay(bad, bad.intent(3 * SATS // 2, world.node.new_address()))
    assert await world.planner.plan() == 2
    await world.sign()  # the first signer refuses the bad one: the good one is planned again, and has been seen
    await world.facts()
    assert (await world.payout(good, seen.id)).state is PayoutState.QUEUED

    async with world.api.connection() as connection:
        waiting = await payouts.cancel_payout(connection, good.id, seen.id)
    assert waiting.state is PayoutState.QUEUED
    assert "promise" in waiting.reason
    assert await world.balance(AccountType.MERCHANT_HELD, good.id) == SATS // 2 + PAYOUT_FEE
    assert (await ended(world, good, seen, PayoutState.CANCELLED)).reason_tag == "payout-cancelled"
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, good.id) == SATS
    assert world.pg.execute("SELECT outcome, state FROM outbound_void ORDER BY outcome") == [
        ("cancelled", "voided"),
        ("refused", "voided"),
    ]
