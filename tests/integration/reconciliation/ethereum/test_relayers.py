"""Each relayer's balance is explained by name: gas capital paid in, less what its chain txs have cost."""

from __future__ import annotations

import pytest

from strongroom.infra.database import make_pool, transaction
from strongroom.outbound.ethereum import jobs as relay_jobs
from strongroom.reconciliation import service
from strongroom.reconciliation.errors import NotPaidInError
from strongroom.reconciliation.model import DifferenceName, RelayerFacts, Report
from strongroom_core.amounts import Amount
from strongroom_core.assets import DEVNET_ETH
from strongroom_core.evm import ZERO_ADDRESS
from tests.fixtures.ethereum_house import ETHER, stranger, text
from tests.integration.outbound.safe.world import CHAIN, HORIZON, UNIT, SafeWorld
from tests.integration.reconciliation.ethereum.test_accounts import report

pytestmark = pytest.mark.slow


async def kept(world: SafeWorld) -> tuple[Report, RelayerFacts]:
    """Reconcile and keep what was found, as the worker does."""
    found = await report(world)
    async with transaction(world.worker) as connection:
        await service.record(connection, found)
    (relayer,) = found.relayers
    return found, relayer


async def look(world: SafeWorld) -> None:
    """Let the treasury find its relayer, and facts reach the tip."""
    await relay_jobs.check(world.treasury, world.chain, world.rpc, world.clock, world.keys)
    await world.turn()


def balance(world: SafeWorld) -> int:
    return world.place.house.balance(ZERO_ADDRESS, world.keys.addresses[0][1])


def take(world: SafeWorld, wei: int) -> None:
    """Spend with the relayer's key what none of our calls spends; the gas is free."""
    (_, address), node = world.keys.addresses[0], world.node
    node.rpc("anvil_setBalance", text(address), hex(balance(world) - wei))
    node.mine()


async def taken_out(world: SafeWorld, wei: int) -> None:
    async with transaction(world.worker) as connection:
        address = world.keys.addresses[0][1]
        await service.record_taken(connection, CHAIN, address, Amount(DEVNET_ETH, wei), "moved by hand", "an operator")


async def test_gas_paid_in_less_gas_spent_is_the_balance_at_every_stage_of_a_payout(world: SafeWorld) -> None:
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    await look(world)
    _, first = await kept(world)
    assert first.paid_in == first.balance == balance(world)
    assert (first.address, first.spent, first.capital) == (world.keys.addresses[0][1], 0, 0)
    await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.turn()
    found, mined = await kept(world)
    assert found.clean
    assert mined.spent > 0
    assert (mined.paid_in, mined.capital - mined.spent) == (0, balance(world))
    world.place.house.pay(ZERO_ADDRESS, mined.address, 3 * ETHER)
    await world.mine(HORIZON)
    found, topped_up = await kept(world)
    assert found.clean
    assert (topped_up.paid_in, topped_up.spent) == (3 * ETHER, mined.spent)
    found, last = await kept(world)
    assert found.differences == ()
    assert (last.paid_in, last.capital) == (0, first.paid_in + 3 * ETHER)


async def test_gas_money_that_left_by_no_call_of_ours_is_named_until_an_operator_accounts_for_it(
    world: SafeWorld,
) -> None:
    await look(world)
    _, before = await kept(world)
    take(world, 7)
    await world.synced()
    for _ in range(2):  # it is not forgotten by being told
        found, _ = await kept(world)
        (told,) = found.unexplained
        assert (told.name, told.expected - told.found) == (DifferenceName.RELAYER_BALANCE, 7)
        assert text(before.address) in told.detail
    with pytest.raises(NotPaidInError, match="never found"):
        await taken_out(world, before.balance + 1)
    await taken_out(world, 7)
    assert (await kept(world))[0].differences == ()


async def test_two_that_find_one_payment_at_once_keep_it_once(world: SafeWorld) -> None:
    await look(world)
    first, second = await report(world), await report(world)
    for found in (first, second):
        async with transaction(world.worker) as connection:
            await service.record(connection, found)
    found, relayer = await kept(world)
    assert found.differences == ()
    assert (relayer.entries, relayer.capital) == (1, balance(world))


async def test_while_a_blocks_gas_is_not_known_yet_the_books_are_behind(
    world: SafeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ATTEMPT_SECONDS", 0.01)
    await look(world)
    await kept(world)
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.turn()
    world.pg.execute(
        "UPDATE outbound_relay_nonce SET state = 'open', mined_number = NULL, mined_height = NULL, mined_hash = NULL,"
        " mined_at = NULL, fee = NULL"
    )
    async with make_pool(world.pg.dsn("auditor"), size=2) as pool:
        found = await service.reconcile(world.settings, pool, {CHAIN: world.rpc}, {})
    told = [item for item in found.unexplained if item.name is DifferenceName.BOOKS_BEHIND]
    assert ["what its nonce 0 has cost is not known yet" in item.detail for item in told] == [True]
    assert DifferenceName.RELAYER_BALANCE not in {item.name for item in found.unexplained}
