"""What the two signers say on an EVM chain, and what that does to a Safe's nonces."""

from __future__ import annotations

import pytest

from strongroom.ledger.model import AccountType
from strongroom.outbound.errors import SignerAnswerError
from strongroom.outbound.safe import building
from strongroom.payouts.model import PayoutState
from strongroom_core.evm import SafeTx
from tests.fixtures.ethereum_house import stranger
from tests.integration.outbound.safe.world import UNIT, SafeWorld, enrol

pytestmark = pytest.mark.slow


async def test_a_refusal_after_the_other_agreed_frees_the_nonce_and_the_hold(world: SafeWorld) -> None:
    shop = await world.shop(enrolled="A")
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    payout = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.turns(3)

    refused = await world.payout(shop, payout.id)
    assert (refused.state, refused.reason_tag) == (PayoutState.REFUSED, "merchant-unknown")
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, world.usdt, shop.id) == 1_000 * UNIT
    assert world.pg.execute("SELECT state FROM outbound_slot") == [("abandoned",)]

    enrol(world.processes[1], world.place, shop)
    # The very same payment again: A has seen these bytes for another intent, so they go at another nonce.
    again = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.turns(4)
    assert (await world.payout(shop, again.id)).state is PayoutState.CONFIRMED
    assert world.held(world.place.usdt, stranger(1)) == 250 * UNIT
    kinds = world.pg.execute(
        "SELECT kind, vout FROM outbound_slot JOIN outbound_coin AS coin ON coin.slot_id = id ORDER BY created_at"
    )
    assert kinds == [("payouts", 0), ("cancel", 0), ("payouts", 1)]


async def test_a_signature_that_is_not_an_owners_is_never_used(world: SafeWorld) -> None:
    places = building.contracts(world.chain)
    tx = SafeTx(places.hot_safe, 0, stranger(1), 0, b"", 0)
    with pytest.raises(SignerAnswerError):
        building.owner_of(places, tx, bytes(65))
    with pytest.raises(SignerAnswerError):
        building.owner_of(places, tx, b"\x01" * 64)


@pytest.mark.parametrize("index", [0, 1])
async def test_with_a_signer_away_nothing_is_bound_and_nothing_moves(world: SafeWorld, index: int) -> None:
    shop = await world.shop()
    await world.fund(shop, world.usdt, 1_000 * UNIT)
    world.processes[index].stop()
    payout = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.turns(2)
    assert (await world.payout(shop, payout.id)).state is PayoutState.PLANNED
    assert world.pg.execute("SELECT count(*) FROM outbound_answer") == [(0,)]

    world.processes[index].start()
    await world.turns(2)
    assert world.held(world.place.usdt, stranger(1)) == 250 * UNIT
