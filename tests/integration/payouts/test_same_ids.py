"""Merchants make the ids of their payouts, each for itself: one that another merchant has used is as good as any."""

from __future__ import annotations

import asyncio

import pytest

from strongroom.infra.database import transaction
from strongroom.ledger.model import AccountType
from strongroom.payouts import service as payouts
from strongroom.payouts.errors import PayoutConflictError
from strongroom.payouts.model import PayoutState
from strongroom_core.assets import REGTEST_BTC
from strongroom_core.ids import MerchantId, PayoutId
from tests.integration.outbound.world import PAYOUT_FEE
from tests.integration.payouts.conftest import Desk, credit
from tests.unit.signer.kit import SATS, SHOP

MONEY = SATS + 1


@pytest.fixture
async def both(desk: Desk) -> Desk:
    """A desk where the other merchant has money too."""
    await credit(desk.worker, AccountType.CHAIN_HOT, AccountType.MERCHANT_AVAILABLE, desk.other.id, MONEY)
    return desk


def held_by(desk: Desk, merchant: MerchantId) -> int:
    query = "SELECT coalesce(sum(balance), 0) FROM ledger_account WHERE type = 'merchant-held' AND owner = %s"
    return int(str(desk.pg.execute(query, merchant)[0][0]))


async def test_an_id_that_another_merchant_used_is_taken_and_tells_nothing_of_it(both: Desk) -> None:
    payout = PayoutId.new()
    mine, theirs = both.shop.intent(10_000, SHOP, payout=payout), both.other.intent(20_000, SHOP, payout=payout)
    first, second = await both.pay(mine), await both.pay(theirs, both.other.id)

    assert (first.id, first.amount, second.id, second.amount) == (payout, 10_000, payout, 20_000)
    assert first.hold_id != second.hold_id
    assert (held_by(both, both.shop.id), held_by(both, both.other.id)) == (10_000 + PAYOUT_FEE, 20_000 + PAYOUT_FEE)
    # Each merchant's own rules stay: the same again is the same payout, another one is refused.
    assert (await both.pay(theirs, both.other.id)).hold_id == second.hold_id
    with pytest.raises(PayoutConflictError):
        await both.pay(both.other.intent(20_001, SHOP, payout=payout), both.other.id)


async def test_two_merchants_that_use_an_id_at_once_both_get_their_payout(both: Desk) -> None:
    payout = PayoutId.new()
    intents = [(shop.intent(10_000, SHOP, payout=payout), shop.id) for shop in (both.shop, both.other)] * 4
    answers = await asyncio.gather(*(both.pay(signed, merchant) for signed, merchant in intents))

    assert {(answer.merchant_id, answer.id) for answer in answers} == {(both.shop.id, payout), (both.other.id, payout)}
    assert both.pg.execute("SELECT count(*) FROM treasury_payable") == [(2,)]
    assert held_by(both, both.shop.id) == held_by(both, both.other.id) == 10_000 + PAYOUT_FEE


async def test_a_cancelled_payout_leaves_the_one_of_the_same_id_of_another_merchant_alone(both: Desk) -> None:
    payout = PayoutId.new()
    await both.pay(both.shop.intent(10_000, SHOP, payout=payout))
    await both.pay(both.other.intent(20_000, SHOP, payout=payout), both.other.id)
    async with transaction(both.pool) as connection:
        await payouts.cancel_payout(connection, both.shop.id, payout)
    async with transaction(both.pool) as connection:
        mine = await payouts.get_payout(connection, both.shop.id, payout)
        theirs = await payouts.get_payout(connection, both.other.id, payout)

    assert (mine.state, theirs.state) == (PayoutState.CANCELLED, PayoutState.QUEUED)
    assert (held_by(both, both.shop.id), held_by(both, both.other.id)) == (0, 20_000 + PAYOUT_FEE)
    assert await both.balance(AccountType.MERCHANT_AVAILABLE, REGTEST_BTC) == SATS
    assert both.pg.execute("SELECT merchant_id FROM treasury_payable WHERE state = 'queued'") == [(both.other.id,)]
    # What outbox events tell of one of them is kept in order on its own.
    keys = both.pg.execute("SELECT count(DISTINCT key) FROM outbox_event WHERE topic LIKE 'payout.%'")
    assert keys == [(2,)]
