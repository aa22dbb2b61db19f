"""What the chain would refuse stops nobody else; what was signed and cannot run is cancelled, its money given back."""

from __future__ import annotations

import pytest

from strongroom.chains.ethereum.contracts import contract
from strongroom.chains.ethereum.keccak import keccak
from strongroom.infra.database import transaction
from strongroom.ledger.model import AccountType
from strongroom.outbound.safe import service as safes
from strongroom.payouts.model import Payout, PayoutState
from strongroom_core.evm import SafeTx, encode_exec_transaction
from strongroom_core.ids import SlotId
from tests.fixtures.ethereum_house import stranger
from tests.integration.outbound.safe.world import ETH, ETHER, HORIZON, UNIT, SafeWorld, Shop
from tests.unit.signer.kit import KEYS
from tests.unit.signer.safe_kit import CHAIN, owner

pytestmark = pytest.mark.slow


async def ended(world: SafeWorld, shop: Shop, payout: Payout, state: PayoutState, turns: int = 8) -> Payout:
    found = payout
    for _ in range(turns):
        await world.turn()
        await world.retry_now()
        found = await world.payout(shop, payout.id)
        if found.state is state:
            return found
    raise AssertionError(found)


async def test_a_blacklisted_destination_is_refused_alone_and_the_rest_of_its_batch_is_paid(world: SafeWorld) -> None:
    shop = await world.shop()
    world.trust(shop)
    await world.fund(shop, world.usdc, 1_000 * UNIT)
    world.block_usdc(stranger(3), blocked=True)
    payouts = [
        await world.pay(shop, shop.intent(world.usdc, number * UNIT, stranger(number))) for number in range(1, 6)
    ]

    await world.turn()

    for number, payout in enumerate(payouts, 1):
        expected = PayoutState.REFUSED if number == 3 else PayoutState.CONFIRMED
        assert (await world.payout(shop, payout.id)).state is expected
        assert world.held(world.place.usdc, stranger(number)) == (0 if number == 3 else number * UNIT)
    refused = await world.payout(shop, payouts[2].id)
    assert refused.reason_tag == "transfer-refused"
    assert "blacklisted" in refused.reason
    assert "check the destination" in refused.reason
    assert world.pg.execute("SELECT count(*) FROM outbound_slot") == [(1,)]
    # The merchant has that one back at once: no signer was ever asked about it.
    assert world.pg.execute("SELECT count(*) FROM outbound_void") == [(0,)]


async def test_a_paused_token_does_not_stop_the_others(world: SafeWorld) -> None:
    shop = await world.shop()
    world.trust(shop)
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    await world.fund(shop, world.usdc, 1_000 * UNIT)
    world.pause_usdt(paused=True)
    stopped = await world.pay(shop, shop.intent(world.usdt, 5 * UNIT, stranger(1)))
    fine = await world.pay(shop, shop.intent(world.usdc, 6 * UNIT, stranger(2)))

    await ended(world, shop, fine, PayoutState.CONFIRMED)

    assert world.held(world.place.usdc, stranger(2)) == 6 * UNIT
    assert (await world.payout(shop, stopped.id)).state is PayoutState.QUEUED
    world.pause_usdt(paused=False)
    await ended(world, shop, stopped, PayoutState.CONFIRMED)
    assert world.held(world.place.usdt, stranger(1)) == 5 * UNIT


async def test_what_was_signed_and_would_fail_is_cancelled_and_the_merchants_have_their_money_back(
    world: SafeWorld,
) -> None:
    shop = await world.shop()
    await world.fund(shop, world.usdc, 1_000 * UNIT)
    payout = await world.pay(shop, shop.intent(world.usdc, 250 * UNIT, stranger(1)))
    await world.synced()
    await world.planner.plan()
    await world.sign()
    world.block_usdc(stranger(1), blocked=True)
    await world.synced()
    for _ in range(4):
        await world.hand_over()
        await world.retry_now()
    assert world.pg.execute("SELECT number, state FROM outbound_version ORDER BY number") == [
        (1, "signed"),
        (2, "planned"),
    ]

    await world.turns(3)
    await world.mine(HORIZON)

    found = await world.payout(shop, payout.id)
    assert found.state is PayoutState.REFUSED
    assert found.reason_tag == "safe-nonce-used"
    assert "cancelled" in found.reason
    assert "send it again" in found.reason
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, world.usdc, shop.id) == 1_000 * UNIT
    assert await world.balance(AccountType.IN_TRANSIT, world.usdc) == 0
    assert world.held(world.place.usdc, stranger(1)) == 0
    # What had been signed for it is worth nothing any more, and the next payout goes through.
    world.block_usdc(stranger(1), blocked=False)
    again = await world.pay(shop, shop.intent(world.usdc, 250 * UNIT, stranger(1)))
    await ended(world, shop, again, PayoutState.CONFIRMED)
    assert world.held(world.place.usdc, stranger(1)) == 250 * UNIT


async def test_an_execution_that_reverts_is_tried_again_and_pays_once(world: SafeWorld) -> None:
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    payout = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.synced()
    await world.planner.plan()
    await world.sign()
    world.node.rpc("evm_setAutomine", False)
    await world.hand_over()
    await world.relay()  # it waits for a block
    world.node.send(f"0x{world.place.usdt.hex()}", pause(paused=True), gas=100_000, gasPrice=100 * 10**9)
    world.node.mine()
    world.node.rpc("evm_setAutomine", True)
    await world.synced()
    await world.relay()
    assert world.pg.execute("SELECT state, success FROM outbound_relay") == [("mined", False)]
    world.pause_usdt(paused=False)

    await ended(world, shop, payout, PayoutState.CONFIRMED)

    assert world.held(world.place.usdt, stranger(1)) == 250 * UNIT
    assert world.pg.execute("SELECT count(*) FROM safe_handover") == [(2,)]


def pause(*, paused: bool) -> bytes:
    return contract("test/TetherToken").call("setPaused", paused)


async def test_a_foreign_execution_at_the_nonce_gives_the_money_back_beyond_the_horizon(world: SafeWorld) -> None:
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    payout = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.synced()
    await world.planner.plan()
    await world.sign()
    steal_nonce(world)

    await world.synced()
    assert (await world.payout(shop, payout.id)).state is PayoutState.SIGNED
    await world.mine(HORIZON)

    found = await world.payout(shop, payout.id)
    assert (found.state, found.reason_tag) == (PayoutState.REFUSED, "safe-nonce-used")
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, world.usdt, shop.id) == 1_000 * UNIT


def steal_nonce(world: SafeWorld) -> None:
    """Use the Safe's next nonce up with a Safe transaction of the owners' that is not ours."""
    hot = world.place.house.deployment.hot_safe
    foreign = SafeTx(hot, world.place.house.safe_nonce(hot), stranger(9), 0, b"", 0)
    digest = foreign.hash(world.node.chain_id, keccak)
    names = sorted(("B", "R"), key=owner)
    signatures = b"".join(KEYS[name].owner(CHAIN).sign_recoverable(digest) for name in names)
    receipt = world.place.house.transact(hot, encode_exec_transaction(foreign, signatures))
    assert int(receipt["status"], 16) == 1


async def test_coin_to_a_contract_rides_alone_and_who_makes_it_fail_takes_nobody_along(world: SafeWorld) -> None:
    good, bad = await world.shop("good"), await world.shop("bad")
    world.trust(good, bad)
    refuser = world.place.house.deploy("test/Refuser")
    take = contract("test/Refuser")
    world.place.house.transact(refuser, take.call("set_taking", True))
    for shop in (good, bad):
        await world.fund(shop, ETH, 2 * ETHER)
    fine = await world.pay(good, good.intent(ETH, ETHER, stranger(1)))
    trap = await world.pay(bad, bad.intent(ETH, ETHER, refuser))
    await world.synced()
    while await world.planner.plan():
        pass
    assert world.pg.execute("SELECT count(DISTINCT slot_id) FROM outbound_payment") == [(2,)]
    await world.sign()
    world.place.house.transact(refuser, take.call("set_taking", False))

    for _ in range(8):
        await world.turns(1)
    await world.mine(HORIZON)

    assert (await world.payout(good, fine.id)).state is PayoutState.FINAL
    assert (await world.payout(bad, trap.id)).state is PayoutState.REFUSED
    trusted = world.pg.execute("SELECT merchant_id, trusted FROM treasury_trusted ORDER BY trusted")
    assert trusted == [(bad.id, False), (good.id, True)]


async def test_a_cancellation_can_be_asked_for_by_hand_once_only(world: SafeWorld) -> None:
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    payout = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.synced()
    await world.planner.plan()
    await world.sign()
    slot = SlotId(str(world.pg.execute("SELECT id FROM outbound_slot")[0][0]))
    for expected in (True, False):
        async with transaction(world.treasury) as connection:
            assert await safes.cancel(connection, world.chain, slot, "an operator asked for it") is expected
    await world.turns(2)
    await world.mine(HORIZON)
    assert (await world.payout(shop, payout.id)).state is PayoutState.REFUSED
    assert world.held(world.place.usdt, stranger(1)) == 0
