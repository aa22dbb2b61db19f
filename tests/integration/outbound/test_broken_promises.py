"""Voids that nobody promises, and promises that both signers broke: the chain goes on, and somebody is told."""

from __future__ import annotations

from structlog.testing import capture_logs

from strongroom.infra.database import transaction
from strongroom.ledger.model import AccountType
from strongroom.outbound import jobs as outbound_jobs
from strongroom.outbound import service as outbound
from strongroom.outbound.psbt import combine
from strongroom.payouts.model import Payout, PayoutState
from tests.integration.outbound.test_chain_events import mine_empty, sign_as, stolen
from tests.integration.outbound.world import HORIZON, PAYOUT_FEE, Shop, World
from tests.unit.signer.kit import CHAIN, SATS


def signed_by_both(world: World) -> str:
    """What two broken signers would give for the only slot: the raw chain tx, in hex."""
    [(psbt,)] = world.pg.execute("SELECT psbt FROM outbound_version")
    assert isinstance(psbt, bytes)
    return combine(psbt, [sign_as(psbt, "A"), sign_as(psbt, "B")]).hex()


async def refused_by_b(world: World, count: int) -> tuple[Shop, list[Payout], list[str]]:
    """Payouts of one slot that A has signed and B refused: B is asked to void them all."""
    shop = await world.shop(enrolled="A")
    world.pg.execute("INSERT INTO treasury_trusted VALUES (%s, %s, true)", world.chain.id, shop.id)
    await world.fund(shop, 3 * SATS)
    places = [world.node.new_address() for _ in range(count)]
    payouts = [await world.pay(shop, shop.intent(SATS, place)) for place in places]
    assert await world.planner.plan() == count
    await world.sign()
    await world.facts()
    return shop, payouts, places


async def states(world: World, shop: Shop, payouts: list[Payout]) -> list[PayoutState]:
    return [(await world.payout(shop, payout.id)).state for payout in payouts]


async def test_a_payout_that_was_voided_and_mined_goes_to_suspense_and_the_rest_of_its_slot_goes_on(
    world: World,
) -> None:
    shop, payouts, places = await refused_by_b(world, 2)
    query = "UPDATE outbound_void SET retry_at = now() + interval '1 hour' WHERE payout_id = %s"
    world.pg.execute(query, payouts[1].id)
    await outbound_jobs.void(world.treasury, world.chain, world.signers)
    await world.facts()
    assert await states(world, shop, payouts) == [PayoutState.REFUSED, PayoutState.PLANNED]

    world.node.rpc("sendrawtransaction", signed_by_both(world))
    with capture_logs() as logs:
        await world.mine(1)
    alarms = [line for line in logs if line["log_level"] == "error" and "payout_id" in line]
    assert [(line["payout_id"], line["amount"]) for line in alarms] == [(payouts[0].id, str(SATS))]
    told = world.pg.execute("SELECT payload->>'payout_id' FROM outbox_event WHERE topic = 'outbound.suspense'")
    assert told == [(payouts[0].id,)]
    assert await world.balance(AccountType.SUSPENSE) == -SATS
    assert await world.balance(AccountType.IN_TRANSIT) == 2 * SATS
    assert await states(world, shop, payouts) == [PayoutState.REFUSED, PayoutState.CONFIRMED]

    await world.mine(HORIZON - 1)
    assert await states(world, shop, payouts) == [PayoutState.REFUSED, PayoutState.FINAL]
    assert [world.received(place) for place in places] == [[SATS], [SATS]]
    assert await world.balance(AccountType.IN_TRANSIT) == 0
    fee = -await world.balance(AccountType.NETWORK_FEES)
    assert -await world.balance(AccountType.CHAIN_HOT) == SATS - fee
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 2 * SATS - PAYOUT_FEE


async def test_a_slot_that_was_voided_whole_and_mined_goes_to_suspense_once_through_a_reorg(world: World) -> None:
    shop, payouts, _ = await refused_by_b(world, 1)
    thief = await stolen(world, world.node.new_address())
    raw = signed_by_both(world)
    await outbound_jobs.void(world.treasury, world.chain, world.signers)
    await world.facts()
    assert world.pg.execute("SELECT state FROM outbound_slot") == [("abandoned",)]

    world.node.rpc("sendrawtransaction", raw)
    await world.mine(1)
    world.node.reorganise(1)
    await world.synced()
    assert await world.balance(AccountType.SUSPENSE) == -SATS
    assert world.pg.execute("SELECT state FROM outbound_slot") == [("confirmed",)]

    world.node.rpc("invalidateblock", world.node.rpc("getblockhash", world.node.rpc("getblockcount") - 1))
    world.node.rpc("generateblock", world.node.new_address(), [thief.hex()])
    mine_empty(world, HORIZON)
    await world.synced()  # beyond the horizon another chain tx has its coins: suspense has its money back
    assert await world.balance(AccountType.SUSPENSE) == 0
    assert await world.balance(AccountType.IN_TRANSIT) == 0
    assert world.pg.execute("SELECT state FROM outbound_slot") == [("abandoned",)]
    assert await states(world, shop, payouts) == [PayoutState.REFUSED]
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 3 * SATS


async def test_a_void_whose_signers_are_away_is_an_alarm_and_visible_until_one_is_back(world: World) -> None:
    shop, payouts, _ = await refused_by_b(world, 1)
    for process in world.processes:
        process.stop()
    with capture_logs() as logs:
        for _ in range(4):
            await outbound_jobs.void(world.treasury, world.chain, world.signers)
            await world.retry_now()
    alarms = [line for line in logs if line["log_level"] == "error"]
    assert [(line["payout_id"], line["attempts"]) for line in alarms] == [(payouts[0].id, n) for n in (1, 2, 4)]
    assert "does not answer" in alarms[0]["reason"]
    async with transaction(world.api) as connection:
        [waiting] = await outbound.waiting_voids(connection, CHAIN)
    assert (waiting.payout_id, waiting.attempts) == (payouts[0].id, 4)
    assert "does not answer" in waiting.detail
    assert await world.balance(AccountType.MERCHANT_HELD, shop.id) == SATS + PAYOUT_FEE

    world.processes[1].start()
    await outbound_jobs.void(world.treasury, world.chain, world.signers)
    async with transaction(world.api) as connection:
        assert await outbound.waiting_voids(connection, CHAIN) == []
    assert await world.balance(AccountType.MERCHANT_HELD, shop.id) == 0
