"""Orders of events that once left money behind: late readers, other versions after a reorg, deaths before the books."""

from __future__ import annotations

import pytest

from strongroom.ledger.model import AccountType
from strongroom.outbound import jobs as outbound_jobs
from strongroom.outbound.signing import Signing
from strongroom.payouts.model import PayoutState
from strongroom.treasury import keeping
from tests.integration.outbound.test_chain_events import mine_empty, stolen
from tests.integration.outbound.world import HORIZON, World
from tests.unit.signer.kit import SATS


async def send(world: World) -> None:
    """Plan, sign and broadcast, and let no other room see what came of it."""
    assert await world.planner.plan()
    await world.sign()
    await outbound_jobs.broadcast(world.treasury, world.chain, world.rpc)


async def test_a_record_of_coins_that_lags_behind_outbound_is_not_planned_from(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    await world.pay(shop, shop.intent(SATS, world.node.new_address()))
    await send(world)
    await world.mine_only(HORIZON)
    await outbound_jobs.follow(world.treasury, world.chain)  # final: its coin is free; the worker has not seen it spent

    destination = world.node.new_address()
    second = await world.pay(shop, shop.intent(SATS // 2, destination))
    assert await world.planner.plan() == 0

    await world.turn()
    assert (await world.payout(shop, second.id)).state is PayoutState.BROADCAST
    assert world.received(destination) == [SATS // 2]


async def test_a_payout_from_change_of_a_version_that_another_one_displaced_is_given_back(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    first = await world.pay(shop, shop.intent(SATS, world.node.new_address()))
    await world.turn()
    mine_empty(world, 2)
    await world.synced()
    assert await keeping.bump(world.planner) == 1
    await world.sign()
    await world.mine(1)  # the first version is in a block, its change may be spent
    destination = world.node.new_address()
    second = await world.pay(shop, shop.intent(SATS // 2, destination))
    await world.turn()
    assert (await world.payout(shop, second.id)).state is PayoutState.BROADCAST

    world.node.reorganise(1, keep_mempool=False)
    [(raw, txid)] = world.pg.execute("SELECT encode(raw, 'hex'), txid FROM outbound_version WHERE number = 2")
    world.node.rpc("generateblock", world.node.new_address(), [raw])
    mine_empty(world, HORIZON - 1)
    await world.synced()

    assert (await world.payout(shop, first.id)).txid == txid
    found = await world.payout(shop, second.id)
    assert (found.state, found.reason_tag) == (PayoutState.REFUSED, "coins-spent-elsewhere")
    assert await world.balance(AccountType.IN_TRANSIT) == 0
    assert world.received(destination) == []
    again = await world.pay(shop, shop.intent(SATS // 2, destination))
    await world.turn()
    assert (await world.payout(shop, again.id)).state is PayoutState.BROADCAST


async def test_payouts_that_both_signers_bound_to_coins_that_are_gone_are_released(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    payout = await world.pay(shop, shop.intent(SATS, world.node.new_address()))
    await world.planner.plan()

    async def died(*_: object) -> None: ...

    with monkeypatch.context() as patch:  # both have signed and journalled; we die before we join it
        patch.setattr(Signing, "complete", died)
        await world.sign()
    world.node.rpc("sendrawtransaction", (await stolen(world, world.node.new_address())).hex())
    await world.mine(HORIZON)
    for _ in range(3):
        await world.turn()
        await world.retry_now()

    found = await world.payout(shop, payout.id)
    assert (found.state, found.reason_tag) == (PayoutState.REFUSED, "coins-spent-elsewhere")
    assert await world.balance(AccountType.MERCHANT_HELD, shop.id) == 0
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 3 * SATS
    assert world.pg.execute("SELECT count(*) FROM outbound_void WHERE state = 'wanted'") == [(0,)]


async def test_one_slot_that_cannot_be_signed_starves_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, other = await world.shop("one"), await world.shop("two")
    await world.fund(shop, 2 * SATS)
    await world.fund(other, 2 * SATS)
    bad = await world.pay(shop, shop.intent(SATS, world.node.new_address()))
    assert await world.planner.plan()
    good = await world.pay(other, other.intent(SATS, world.node.new_address()))
    assert await world.planner.plan()
    whole = Signing.sign_slot
    [(slot,)] = world.pg.execute("SELECT slot_id FROM outbound_payment WHERE payout_id = %s", bad.id)

    async def broken(self: Signing, slot_id: str, away: dict[str, str]) -> None:
        if slot_id == slot:
            raise ValueError(slot_id)
        await whole(self, slot_id, away)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Signing, "sign_slot", broken)
        await world.sign()
    await world.facts()
    assert (await world.payout(other, good.id)).state is PayoutState.SIGNED
    reasons = world.pg.execute("SELECT reason FROM outbound_slot WHERE id = %s", slot)
    assert "ValueError" in str(reasons[0][0])
    await world.retry_now()
    await world.turn()
    assert (await world.payout(shop, bad.id)).state is PayoutState.BROADCAST
