"""What must not lift the bound on the hot balance, and who must not be paid."""

from __future__ import annotations

from datetime import timedelta

from strongroom.infra.database import transaction
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.payouts.model import PayoutState
from strongroom.treasury import keeping
from strongroom.wallets import service as wallets
from strongroom.wallets.model import AddressRequest, KeySetKind, Purpose
from strongroom_core.amounts import Amount
from strongroom_core.ids import MerchantId
from tests.integration.outbound.world import HORIZON, World
from tests.integration.treasury.test_keeping import house_deposit, intake
from tests.unit.signer.kit import CHAIN, SATS


async def test_a_queued_payout_does_not_let_hot_grow_beyond_house_capital(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 4 * SATS, kind=KeySetKind.COLD)
    await world.pay(shop, shop.intent(4 * SATS - 2_000, world.node.new_address()))
    await world.turn()
    await house_deposit(world, SATS)
    await world.fund(shop, 2 * SATS)

    assert await keeping.sweep(world.planner) == 1
    await world.turn()
    await world.mine(HORIZON)
    assert -await world.balance(AccountType.CHAIN_HOT) <= await world.balance(AccountType.HOUSE_CAPITAL)


async def test_miners_fees_that_nobody_brought_in_again_are_house_capital_no_more(world: World) -> None:
    """What is spent on fees came out of hot: the bound would let merchants' money fill it up again."""
    await house_deposit(world, SATS)
    coin = world.chain.asset
    capital, fees, earned, hot = (
        Account(kind, coin)
        for kind in (
            AccountType.HOUSE_CAPITAL,
            AccountType.NETWORK_FEES,
            AccountType.HOUSE_FEES,
            AccountType.CHAIN_HOT,
        )
    )

    async def band_after(source: Account, destination: Account, amount: int) -> int:
        async with transaction(world.worker) as connection:
            posting = Posting(source, destination, Amount(coin, amount))
            await ledger.post(connection, [LedgerTransaction("test", f"{destination.name}{amount}", (posting,), {})])
            return (await keeping.band(connection, world.chain)).high

    owned = await world.balance(capital.type)
    assert await band_after(fees, hot, 30_000) == owned - 30_000
    assert await band_after(hot, earned, 10_000) == owned - 20_000
    assert await band_after(hot, earned, 90_000) == owned, "what the house earned is not its capital"


async def test_invoices_between_two_looks_of_the_treasury_share_the_room_that_is_left(world: World) -> None:
    await house_deposit(world, SATS, KeySetKind.COLD)
    assert await intake(world) is KeySetKind.HOT
    shop = await world.shop()
    until = world.clock.now() + timedelta(hours=1)
    wanted = [AddressRequest(CHAIN, shop.id, Purpose.INVOICE, "inv", amount, until) for amount in (600_000, 70 * SATS)]
    async with transaction(world.api) as connection:
        found = await wallets.hand_out_many(connection, [wanted[1], wanted[0]])
        assert [item.kind for item in found] == [KeySetKind.COLD, KeySetKind.HOT]
    rest = AddressRequest(CHAIN, shop.id, Purpose.INVOICE, "inv", SATS - 600_000, until)
    for kind in (KeySetKind.HOT, KeySetKind.COLD):
        async with transaction(world.api) as connection:
            assert [item.kind for item in await wallets.hand_out_many(connection, [rest])] == [kind]


async def test_queued_payouts_of_a_merchant_that_owes_wait_until_it_has_repaid(world: World) -> None:
    shop, other = await world.shop("owes"), await world.shop("other")
    await world.fund(shop, 2 * SATS)
    await world.fund(other, 2 * SATS)
    waiting = await world.pay(shop, shop.intent(SATS, world.node.new_address()))
    free = await world.pay(other, other.intent(SATS, world.node.new_address()))
    await owe(world, shop.id, repay=False)
    await world.turn()
    assert (await world.payout(shop, waiting.id)).state is PayoutState.QUEUED
    assert (await world.payout(other, free.id)).state is PayoutState.BROADCAST

    await owe(world, shop.id, repay=True)
    await world.turn()
    assert (await world.payout(shop, waiting.id)).state is PayoutState.BROADCAST


async def owe(world: World, merchant: MerchantId, *, repay: bool) -> None:
    """What a reversal of a deposit that is spent already leaves behind, and its repayment."""
    places = [
        Account(AccountType.MERCHANT_OWED, world.chain.asset, merchant),
        Account(AccountType.SUSPENSE, world.chain.asset),
    ]
    source, destination = reversed(places) if repay else places
    posting = Posting(source, destination, Amount(world.chain.asset, 5_000))
    async with transaction(world.worker) as connection:
        await ledger.post(connection, [LedgerTransaction("test", f"owe:{repay}", (posting,), {})])


async def test_a_deposit_that_is_not_in_the_books_pays_nobody(world: World) -> None:
    rich, young = await world.shop("rich"), await world.shop("young")
    await world.fund(rich, 2 * SATS, kind=KeySetKind.COLD)
    world.pg.execute("INSERT INTO stop_switch (name, reason, set_by) VALUES ('credit', 'test', 'test')")
    await world.fund(young, 2 * SATS)
    assert await world.balance(AccountType.CHAIN_HOT) == 0
    payout = await world.pay(rich, rich.intent(SATS, world.node.new_address()))
    await world.turn()
    assert world.pg.execute("SELECT count(*) FROM outbound_slot") == [(0,)]

    world.pg.execute("UPDATE stop_switch SET cleared_at = now()")
    await world.turn()
    assert (await world.payout(rich, payout.id)).state is PayoutState.BROADCAST
    await world.mine(HORIZON)
    assert (await world.payout(rich, payout.id)).state is PayoutState.FINAL
