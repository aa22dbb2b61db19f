"""Which nonce is next, what has to be drawn, and what a failed try means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.outbound.model import OpenSlot, Payment, Slot, SlotKind, SlotState, SpentCoin
from strongroom.outbound.safe import rules
from strongroom.outbound.safe.model import Contracts, Portion, SafeDraft, SafeSlot, Standing
from strongroom.outbound.safe.rules import Next
from strongroom_core.evm import CALL, DELEGATECALL, SafeTx, decode_draw, decode_multi_send, decode_transfer
from strongroom_core.ids import HoldId, MerchantId, PayoutId, SlotId
from strongroom_core.intents import PaymentIntent, SignedIntent
from tests.fixtures.devnet import OTHER_TOKEN, TOKEN, devnet

ETH = devnet().asset.id
PLACES = Contracts(31337, *(bytes([number] * 20) for number in range(1, 6)))
SHOP = bytes([9] * 20)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def payment(asset: str, amount: int, to: bytes = SHOP) -> Payment:
    values = (MerchantId.new(), PayoutId.new(), asset, amount, f"0x{to.hex()}", "", 0, 2_000_000_000)
    data = PaymentIntent("test", *values).encode()
    return Payment(values[1], values[0], amount, 0, HoldId.new(), to, SignedIntent(data, bytes(32), bytes(64)))


def slot(nonce: int, *payments: Payment, draws: tuple[Portion, ...] = (), confirmed: bool = False) -> SafeSlot:
    height, digest = (7, "0x7") if confirmed else (None, None)
    record = Slot(
        SlotId.new(),
        "chain",
        SlotKind.PAYOUTS,
        SlotState.SIGNED,
        "",
        1,
        None,
        height,
        digest,
        None,
        None,
        None,
        0,
        NOW,
        NOW,
    )
    coins = (SpentCoin("0x01", nonce, 0, 0, 0),)
    return SafeSlot(OpenSlot(record, (), payments, coins), nonce, draws, ())


@given(st.integers(0, 50), st.sets(st.integers(0, 60), max_size=8))
def test_the_next_nonce_is_the_lowest_free_one_within_five(chain_nonce: int, taken: set[int]) -> None:
    standing = Standing(tuple(slot(nonce) for nonce in sorted(taken)))
    found = rules.next_nonce(chain_nonce, standing)
    reach = set(range(chain_nonce, chain_nonce + 5))
    if found is None:
        assert reach <= taken
        return
    assert found == min(reach - taken)
    assert rules.is_gap(found, standing) is any(nonce > found for nonce in taken)


def test_only_slots_that_no_block_has_count_against_the_balances() -> None:
    done = slot(3, payment(TOKEN, 50), confirmed=True)
    waiting = slot(4, payment(TOKEN, 70), payment(OTHER_TOKEN, 5), draws=(Portion(TOKEN, 30),))
    taken, drawn = rules.moved(Standing((done, waiting)).unconfirmed)
    assert taken == {TOKEN: 40, OTHER_TOKEN: 5}
    assert drawn == {TOKEN: 30}


@given(st.integers(-5, 100), st.integers(1, 100))
def test_what_is_drawn_with_what_hot_has_covers_exactly_what_is_needed(hot: int, needed: int) -> None:
    draws = rules.shortfalls({TOKEN: needed}, {TOKEN: hot})
    drawn = sum(item.amount for item in draws)
    assert max(0, hot) + drawn == max(needed, hot)


def test_calls_draw_first_then_pay_in_order_then_sweep() -> None:
    draft = SafeDraft(
        "chain",
        SlotKind.PAYOUTS,
        4,
        (payment(TOKEN, 70), payment(ETH, 11)),
        draws=(Portion(TOKEN, 30),),
        sweeps=(Portion(OTHER_TOKEN, 8),),
    )
    tx = rules.safe_tx(PLACES, draft)
    assert (tx.operation, tx.to, tx.nonce) == (DELEGATECALL, PLACES.multisend, 4)
    draw, token, coin, sweep = decode_multi_send(tx.data)
    assert (draw.to, decode_draw(draw.data)) == (PLACES.allowance, (bytes.fromhex(TOKEN[-40:]), 30))
    assert (token.to, decode_transfer(token.data)) == (bytes.fromhex(TOKEN[-40:]), (SHOP, 70))
    assert (coin.to, coin.value, coin.data) == (SHOP, 11, b"")
    assert decode_transfer(sweep.data) == (PLACES.cold_safe, 8)
    assert rules.safe_tx(PLACES, draft).encode() == tx.encode()


def test_one_payment_goes_without_multisend_and_a_cancellation_calls_the_safe_itself() -> None:
    single = rules.safe_tx(PLACES, SafeDraft("chain", SlotKind.PAYOUTS, 1, (payment(TOKEN, 70),)))
    assert (single.operation, single.to) == (CALL, bytes.fromhex(TOKEN[-40:]))
    cancel = rules.safe_tx(PLACES, SafeDraft("chain", SlotKind.CANCEL, 1))
    assert cancel == SafeTx.cancel(PLACES.hot_safe, 1)


def test_gas_limits_stay_below_what_one_chain_tx_may_have() -> None:
    draft = SafeDraft("chain", SlotKind.PAYOUTS, 1, tuple(payment(TOKEN, n + 1) for n in range(100)))
    assert 100 * 60_000 < rules.gas_limit(rules.safe_tx(PLACES, draft), 100, 3) < 2**24
    assert rules.gas_limit(SafeTx.cancel(PLACES.hot_safe, 1), 0, 0) < 200_000


@pytest.mark.parametrize(
    ("failed", "fails_now", "tries", "is_cancel", "expected"),
    [
        (False, False, 0, False, Next.HAND_OVER),
        (True, False, 1, False, Next.HAND_OVER),
        (True, False, 3, False, Next.CANCEL),
        (False, True, 0, False, Next.WAIT),
        (False, True, 2, False, Next.WAIT),
        (False, True, 3, False, Next.CANCEL),
        (True, True, 1, False, Next.CANCEL),
        (True, False, 9, True, Next.HAND_OVER),
        (True, True, 9, True, Next.WAIT),
    ],
)
def test_a_version_that_the_chain_refuses_is_cancelled_and_a_cancellation_never(
    failed: bool, fails_now: bool, tries: int, is_cancel: bool, expected: Next
) -> None:
    assert rules.judge(failed=failed, fails_now=fails_now, tries=tries, is_cancel=is_cancel) is expected
