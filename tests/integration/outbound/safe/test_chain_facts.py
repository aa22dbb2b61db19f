"""Facts that an honest Safe of ours cannot make on a node, told as a watcher would tell them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from strongroom.chains.model import ChainEvent, EventKind, ObservedSpend, ObservedTx
from strongroom.infra.database import transaction
from strongroom.ledger.model import AccountType
from strongroom.outbound.safe import building, following
from strongroom.payouts.model import Payout, PayoutState
from tests.fixtures.ethereum_house import stranger
from tests.integration.outbound.safe.world import CHAIN, HORIZON, UNIT, SafeWorld, Shop

pytestmark = pytest.mark.slow


async def signed(world: SafeWorld) -> tuple[Shop, Payout, str]:
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    payout = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.synced()
    await world.planner.plan()
    await world.sign()
    return shop, payout, str(world.pg.execute("SELECT txid FROM outbound_version")[0][0])


async def tell(world: SafeWorld, effect: str, *, success: bool, safe: str | None = None, nonce: int = 0) -> None:
    """Have outbound see an execution in the node's best block."""
    block = world.node.rpc("eth_getBlockByNumber", "latest", False)
    height, digest = int(block["number"], 16), str(block["hash"])
    spend = ObservedSpend(0, safe or building.contracts(world.chain).hot_safe_text, nonce, effect, success)
    tx = ObservedTx("0x" + f"{nonce + 0xCD:02x}" * 32, rbf=False, spends=(spend,))
    event = ChainEvent(0, CHAIN, EventKind.CONNECTED, height, digest, datetime.now(UTC), txs=(tx,))
    async with transaction(world.treasury) as connection:
        await following._executed(connection, world.chain, event, tx, spend)
    await world.facts()


async def test_a_failed_execution_gives_the_money_back(world: SafeWorld) -> None:
    shop, payout, effect = await signed(world)

    await tell(world, effect, success=False)
    assert (await world.payout(shop, payout.id)).state is PayoutState.SIGNED
    await world.mine(HORIZON)

    found = await world.payout(shop, payout.id)
    assert (found.state, found.reason_tag) == (PayoutState.REFUSED, "safe-nonce-used")
    assert "failed and moved nothing" in found.reason
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, world.usdt, shop.id) == 1_000 * UNIT
    assert await world.balance(AccountType.IN_TRANSIT, world.usdt) == 0


async def test_another_safes_execution_at_the_same_nonce_is_none_of_our_business(world: SafeWorld) -> None:
    shop, payout, effect = await signed(world)
    await tell(world, effect, success=True, safe=f"0x{stranger(7).hex()}")
    assert (await world.payout(shop, payout.id)).state is PayoutState.SIGNED
    assert world.pg.execute("SELECT conflict_txid, confirmed_height FROM outbound_slot") == [(None, None)]


async def test_of_nested_executions_each_is_known_by_its_hash_and_not_by_the_order_of_logs(world: SafeWorld) -> None:
    """The inner one logs first, so that each fact carries the other one's nonce: both are paid all the same."""
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    paid = [await world.pay(shop, shop.intent(world.usdt, n * UNIT, stranger(n))) for n in (1, 2)]
    await world.synced()
    while await world.planner.plan():
        pass
    await world.sign()
    rows = world.pg.execute(
        "SELECT version.txid FROM outbound_version AS version JOIN outbound_coin AS coin USING (slot_id) ORDER BY vout"
    )
    first, second = (str(row[0]) for row in rows)

    await tell(world, second, success=True, nonce=0)
    await tell(world, first, success=True, nonce=1)

    assert {(await world.payout(shop, item.id)).state for item in paid} == {PayoutState.CONFIRMED}
    assert world.pg.execute("SELECT count(*) FROM outbound_slot WHERE conflict_txid IS NOT NULL") == [(0,)]


async def test_an_execution_that_is_none_of_ours_gives_nothing_back_while_the_safes_nonce_has_not_passed(
    world: SafeWorld,
) -> None:
    shop, payout, _ = await signed(world)
    await tell(world, "0x" + "ee" * 32, success=True)
    await world.mine(HORIZON + 1)
    assert (await world.payout(shop, payout.id)).state is PayoutState.SIGNED
    assert world.pg.execute("SELECT count(*) FROM outbox_event WHERE topic = 'outbound.foreign-execution'") == [(1,)]
    await world.turns(2)
    assert (await world.payout(shop, payout.id)).state is PayoutState.CONFIRMED
