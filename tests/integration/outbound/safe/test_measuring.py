"""Paid means that it arrived: tokens that lie in their logs, move nothing or take a fee are told apart by balances."""

from __future__ import annotations

from typing import cast

import pytest

from strongroom.infra.database import transaction
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.payouts.model import PayoutState
from strongroom_core.amounts import Amount
from strongroom_core.assets import asset_by_id
from tests.fixtures.ethereum import DevNode
from tests.fixtures.ethereum_house import stranger
from tests.integration.outbound.safe.world import HORIZON, UNIT, Place, SafeWorld, Shop, make_place

pytestmark = pytest.mark.slow


@pytest.fixture
def token(request: pytest.FixtureRequest) -> tuple[str, tuple[object, ...]]:
    """The token that stands as USDT: its name in the corpus, its constructor's arguments."""
    return cast("tuple[str, tuple[object, ...]]", request.param)


@pytest.fixture
def place(fresh_ethereum_node: DevNode, token: tuple[str, tuple[object, ...]]) -> Place:
    return make_place(fresh_ethereum_node, token[0], *token[1])


async def funded(world: SafeWorld, shop: Shop) -> None:
    """Give a merchant a balance that the hot Safe has, in the books too."""
    asset, hot = asset_by_id(world.usdt), world.place.house.deployment.hot_safe
    world.place.pay(world.place.usdt, hot, 1_000 * UNIT)
    account = Account(AccountType.MERCHANT_AVAILABLE, asset, shop.id)
    posting = Posting(Account(AccountType.CHAIN_HOT, asset), account, Amount(asset, 1_000 * UNIT))
    async with transaction(world.worker) as connection:
        await ledger.post(connection, [LedgerTransaction("test-funding", "test hot", (posting,))])


async def paid_from_hot(world: SafeWorld) -> Shop:
    """Pay 250 out of a hot balance, to the end."""
    shop = await world.shop()
    await funded(world, shop)
    payout = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.turns(2)
    await world.mine(HORIZON)
    assert (await world.payout(shop, payout.id)).state is PayoutState.FINAL
    return shop


async def told(world: SafeWorld) -> list[tuple[object, ...]]:
    return world.pg.execute(
        "SELECT payload->>'expected', payload->>'left_hot', payload->>'received' FROM outbox_event"
        " WHERE topic = 'outbound.paid-otherwise'"
    )


@pytest.mark.parametrize("token", [("test/FalseToken", (True,))], indirect=True)
async def test_a_token_that_says_no_and_moves_nothing_is_not_even_signed_for(world: SafeWorld) -> None:
    shop = await world.shop()
    await funded(world, shop)
    payout = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.turn()
    found = await world.payout(shop, payout.id)
    assert (found.state, found.reason_tag) == (PayoutState.REFUSED, "transfer-refused")
    assert "move nothing" in found.reason
    assert world.pg.execute("SELECT count(*) FROM outbound_slot") == [(0,)]


@pytest.mark.parametrize("token", [("test/TetherToken", (6,))], indirect=True)
async def test_what_a_token_began_to_lie_about_after_it_was_signed_is_given_back_and_never_told_as_paid(
    world: SafeWorld,
) -> None:
    shop = await world.shop()
    await funded(world, shop)
    payout = await world.pay(shop, shop.intent(world.usdt, 250 * UNIT, stranger(1)))
    await world.synced()
    await world.planner.plan()
    await world.sign()
    liar = world.place.house.deploy("test/FalseToken", True)
    code = f"0x{world.place.house.code(liar).hex()}"
    world.node.rpc("anvil_setCode", f"0x{world.place.usdt.hex()}", code)
    world.node.mine(2)
    await world.turns(2)
    await world.mine(HORIZON)

    found = await world.payout(shop, payout.id)
    assert (found.state, found.reason_tag) == (PayoutState.REFUSED, "token-moved-nothing")
    assert await world.balance(AccountType.MERCHANT_AVAILABLE, world.usdt, shop.id) == 1_000 * UNIT
    assert await world.balance(AccountType.IN_TRANSIT, world.usdt) == 0
    assert await world.balance(AccountType.SUSPENSE, world.usdt) == 0
    assert await told(world) == [(str(250 * UNIT), "0", "0")]


@pytest.mark.parametrize("token", [("test/FeeToken", (100, False))], indirect=True)
async def test_a_token_that_takes_a_fee_is_told_of_and_the_books_have_what_hot_has(world: SafeWorld) -> None:
    await paid_from_hot(world)
    hot = world.place.house.deployment.hot_safe
    received = world.held(world.place.usdt, stranger(1))
    assert 0 < received < 250 * UNIT
    assert -await world.balance(AccountType.CHAIN_HOT, world.usdt) == world.held(world.place.usdt, hot)
    assert await told(world) == [(str(250 * UNIT), str(250 * UNIT), str(received))]
    assert await world.balance(AccountType.SUSPENSE, world.usdt) == 0
