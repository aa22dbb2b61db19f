"""A payout from the merchant's signature to the horizon, on a real node, co-signed by two real signer processes."""

from __future__ import annotations

from strongroom.ledger.model import AccountType
from strongroom.payouts.model import PayoutState
from strongroom.payouts.service import timeline
from tests.integration.outbound.world import HORIZON, PAYOUT_FEE, World
from tests.unit.signer.kit import SATS


async def test_a_signed_payout_is_paid_exactly_once_and_the_books_follow_the_chain(world: World) -> None:
    shop = await world.shop()
    await world.fund(shop, 3 * SATS)
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 3 * SATS
    destination = world.node.new_address()

    payout = await world.pay(shop, shop.intent(SATS, destination))
    assert payout.state is PayoutState.QUEUED
    assert await world.balance(AccountType.MERCHANT_HELD, shop.id) == SATS + PAYOUT_FEE

    await world.turn()
    payout = await world.payout(shop, payout.id)
    assert payout.state is PayoutState.BROADCAST
    assert world.received(destination) == [SATS]
    assert await world.balance(AccountType.MERCHANT_HELD, shop.id) == 0
    assert await world.balance(AccountType.IN_TRANSIT) == SATS
    assert await world.balance(AccountType.HOUSE_FEES) == PAYOUT_FEE

    await world.mine()
    assert (await world.payout(shop, payout.id)).state is PayoutState.CONFIRMED
    await world.mine(HORIZON - 1)
    payout = await world.payout(shop, payout.id)
    assert payout.state is PayoutState.FINAL
    assert world.received(destination) == [SATS]

    fee = -await world.balance(AccountType.NETWORK_FEES)
    assert fee > 0
    assert await world.balance(AccountType.IN_TRANSIT) == 0
    assert await world.balance(AccountType.CHAIN_HOT) == -(3 * SATS - SATS - fee)
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, shop.id) == 2 * SATS - PAYOUT_FEE
    async with world.api.connection() as connection:
        life = [moment.status for moment in await timeline(connection, shop.id, payout.id)]
    assert life == [PayoutState(name) for name in ("queued", "planned", "signed", "broadcast", "confirmed", "final")]
