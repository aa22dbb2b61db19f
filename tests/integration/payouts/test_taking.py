"""Taking a signed payout: held at once, once; refused with a stable code, and then nothing is held."""

from __future__ import annotations

import asyncio
import time

import pytest

from strongroom.infra.database import transaction
from strongroom.infra.stops import Stop, set_stop
from strongroom.ledger.model import AccountType
from strongroom.payouts import service as payouts
from strongroom.payouts.errors import PayoutConflictError, PayoutNotFoundError
from strongroom.payouts.model import PayoutState
from strongroom_core.errors import StrongroomError
from strongroom_core.ids import PayoutId
from strongroom_core.intents import SignedIntent
from tests.integration.outbound.world import PAYOUT_FEE
from tests.integration.payouts.conftest import Desk
from tests.unit.signer.kit import SATS, SHOP


async def test_the_same_signed_intent_is_one_payout_and_one_hold_however_often_it_is_sent(desk: Desk) -> None:
    signed = desk.shop.intent(SATS // 2, SHOP)
    answers = await asyncio.gather(*(desk.pay(signed) for _ in range(8)))
    assert len({answer.id for answer in answers}) == 1
    assert await desk.balance(AccountType.MERCHANT_HELD) == SATS // 2 + PAYOUT_FEE
    assert desk.pg.execute("SELECT count(*) FROM treasury_payable") == [(1,)]


async def test_another_intent_under_the_same_id_is_a_conflict(desk: Desk) -> None:
    payout = PayoutId.new()
    await desk.pay(desk.shop.intent(10_000, SHOP, payout=payout))
    with pytest.raises(PayoutConflictError):
        await desk.pay(desk.shop.intent(10_001, SHOP, payout=payout))
    assert await desk.balance(AccountType.MERCHANT_HELD) == 10_000 + PAYOUT_FEE


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"deployment": "elsewhere"}, "payout-intent-invalid"),
        ({"tag": "memo"}, "payout-intent-invalid"),
        ({"fee_ceiling": PAYOUT_FEE - 1}, "payout-fee-ceiling"),
        ({"expires_at": int(time.time()) + 30}, "payout-expired"),
        ({"amount": 545}, "payout-amount-dust"),
        ({"amount": SATS}, "insufficient-funds"),
        ({"destination": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}, "address-invalid"),
        ({"asset": "eip155:1/slip44:60"}, "asset-unknown"),
        ({"asset": "bip122:000000000019d6689c085ae165831e93/slip44:0"}, "asset-unknown"),
    ],
)
async def test_what_cannot_be_paid_is_refused_with_its_code_and_nothing_is_held(
    desk: Desk, changes: dict[str, object], code: str
) -> None:
    values: dict[str, object] = {"amount": 10_000, "destination": SHOP} | changes
    with pytest.raises(StrongroomError) as refused:
        await desk.pay(desk.shop.intent(**values))  # type: ignore[arg-type]
    assert refused.value.code == code
    assert await desk.balance(AccountType.MERCHANT_HELD) == 0
    assert desk.pg.execute("SELECT count(*) FROM payout") == [(0,)]


async def test_a_bent_signature_and_another_merchants_intent_are_refused(desk: Desk) -> None:
    signed = desk.shop.intent(10_000, SHOP)
    bent = SignedIntent(signed.intent, signed.public_key, bytes(64))
    for intent, merchant in ((bent, desk.shop.id), (signed, desk.other.id)):
        with pytest.raises(StrongroomError) as refused:
            await desk.pay(intent, merchant)
        assert refused.value.code == "payout-intent-invalid"


async def test_a_merchant_that_owes_us_is_not_paid_out(desk: Desk) -> None:
    await desk.owe(5_000)
    with pytest.raises(StrongroomError) as refused:
        await desk.pay(desk.shop.intent(10_000, SHOP))
    assert refused.value.code == "payouts-stopped"


async def test_a_stop_blocks_payouts(desk: Desk) -> None:
    async with transaction(desk.pool) as connection:
        await set_stop(connection, Stop.PAYOUTS, "incident", "test")
    with pytest.raises(StrongroomError) as refused:
        await desk.pay(desk.shop.intent(10_000, SHOP))
    assert refused.value.code == "payouts-stopped"
    assert "incident" in refused.value.message


async def test_a_merchant_sees_and_cancels_only_its_own_payouts(desk: Desk) -> None:
    mine = [await desk.pay(desk.shop.intent(10_000 + number, SHOP)) for number in range(3)]
    async with transaction(desk.pool) as connection:
        listed = await payouts.list_payouts(connection, desk.shop.id, None, 2)
        rest = await payouts.list_payouts(connection, desk.shop.id, listed[-1].id, 2)
        assert [payout.id for payout in (*listed, *rest)] == [payout.id for payout in reversed(mine)]
        assert await payouts.list_payouts(connection, desk.other.id, None, 10) == []
    for call in (payouts.get_payout, payouts.cancel_payout):
        with pytest.raises(PayoutNotFoundError):
            async with transaction(desk.pool) as connection:
                await call(connection, desk.other.id, mine[0].id)


async def test_cancelling_a_waiting_payout_gives_the_hold_back_once(desk: Desk) -> None:
    payout = await desk.pay(desk.shop.intent(10_000, SHOP))
    for _ in range(2):
        async with transaction(desk.pool) as connection:
            assert (await payouts.cancel_payout(connection, desk.shop.id, payout.id)).state is PayoutState.CANCELLED
    assert await desk.balance(AccountType.MERCHANT_AVAILABLE) == SATS
    assert (await desk.pay(desk.shop.intent(20_000, SHOP))).state is PayoutState.QUEUED
