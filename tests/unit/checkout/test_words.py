from __future__ import annotations

import itertools
from typing import Any

import pytest

from strongroom.checkout import words
from strongroom.checkout.words import Mood, Step
from strongroom.invoices.model import Anomaly, PaymentState, Reason, Status
from strongroom_core.assets import BITCOIN, BITCOIN_REGTEST, USDT
from tests.unit.checkout.views import DUE, payment, view

HALF = DUE // 2
STATES = [item.value for item in PaymentState]


COMBINATIONS = [(), *[(state,) for state in STATES], ("seen", "confirming"), ("dropped", "seen")]


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("exception", Anomaly)
def test_every_state_with_every_exception_has_words(status: Status, exception: Anomaly):
    for states, reason in itertools.product(COMBINATIONS, [None, *Reason]):
        payments = [payment(state, vout=number) for number, state in enumerate(states)]
        said = words.message(view(status, exception, *payments, reason=reason))
        assert said.headline
        assert said.headline[-1] not in ".!"
        assert said.detail.endswith(".")
        assert "None" not in said.detail
        assert said.pay == (status is Status.NEW)
        assert (said.step is None) == (status in {Status.EXPIRED, Status.INVALID})
        assert (said.mood is Mood.GOOD) == (status is Status.PAID)


def test_every_state_of_a_payment_has_words():
    assert set(words.PAYMENT_STATES) == set(STATES)


@pytest.mark.parametrize(
    ("shown", "headline", "detail", "step"),
    [
        (view(), "Waiting for your payment", "Send exactly 0.001 BTC", Step.WAITING),
        (view("new", "underpaid", payment(amount=HALF)), "Part of it has arrived", "0.0005 BTC is still", Step.WAITING),
        (view("new", "none", payment("dropped")), "Your payment was withdrawn", "does not count", Step.WAITING),
        (view("processing", "none", payment()), "Payment seen", "0 of 3 confirmations", Step.SEEN),
        (
            view("processing", "none", payment("confirming", confirmations=1)),
            "Payment confirming",
            "1 of 3 confirmations",
            Step.CONFIRMING,
        ),
        (view("processing", "none", payment("held")), "Your payment is being checked", "is safe", Step.CONFIRMING),
        (view("processing", "none", payment("dropped")), "left the network", "Do not pay again yet", Step.SEEN),
        (view("processing", "none", payment("reversed")), "left the network", "reorganises", Step.SEEN),
        (view("paid", "none", payment("credited")), "Paid", "has been credited.", Step.PAID),
        (view("paid", "underpaid", payment("credited", DUE - 1)), "Paid", "merchant accepts", Step.PAID),
        (view("paid", "overpaid", payment("credited", DUE + 1)), "Paid", "0.00000001 BTC too much", Step.PAID),
        (
            view("paid", "paid-twice", payment("credited"), payment("credited", vout=1)),
            "Paid",
            "It was paid twice: 0.001 BTC too much",
            Step.PAID,
        ),
        (view("expired"), "The time to pay has run out", "do not pay again", None),
        (
            view("expired", "underpaid", payment(amount=HALF)),
            "Too little arrived in time",
            "0.0005 BTC was missing",
            None,
        ),
        (view("expired", "late", payment()), "Your payment came too late", "Do not pay again", None),
        (
            view("new", "wrong-asset", payment(amount=7_000_000, asset=USDT)),
            "Something else has arrived",
            "7 USDT on Ethereum came, which does not pay this invoice. It goes to the merchant",
            Step.WAITING,
        ),
        (
            view("paid", "wrong-asset", payment(amount=7_000_000, asset=USDT), payment("credited")),
            "Paid",
            "7 USDT on Ethereum came too",
            Step.PAID,
        ),
        (
            view("expired", "wrong-asset", payment("credited", 7_000_000, asset=USDT)),
            "Something else arrived",
            "ask them what to do",
            None,
        ),
        (
            view("invalid", "wrong-asset", payment(amount=7_000_000, asset=USDT), reason="cancelled"),
            "This invoice was cancelled",
            "with the merchant",
            None,
        ),
        (view("invalid", reason="cancelled"), "This invoice was cancelled", "Do not pay it", None),
        (view("invalid", "late", payment(), reason="cancelled"), "was cancelled", "what arrives is credited", None),
        (view("invalid", reason="unconfirmed"), "Your payment never confirmed", "did not take it", None),
        (view("invalid", reason="payment-vanished"), "has vanished", "nothing arrived", None),
    ],
)
def test_each_state_is_told_as_it_is(shown: dict[str, Any], headline: str, detail: str, step: Step | None):
    said = words.message(shown)
    assert headline in said.headline
    assert detail in said.detail
    assert said.step == step


def test_of_several_payments_the_slowest_counts():
    shown = view("processing", "none", payment("confirming", HALF, 2), payment("confirming", HALF, 1, vout=1))
    assert "1 of 3 confirmations" in words.message(shown).detail


def test_one_confirmation_is_singular():
    assert "0 of 1 confirmation." in words.message(view("processing", "none", payment(needed=1))).detail


def test_a_test_network_is_called_what_it_is():
    assert words.network(BITCOIN_REGTEST.id) == "Bitcoin regtest: a test network, coins have no value"
    assert words.network(BITCOIN.id) == "Bitcoin network"


@pytest.mark.parametrize(
    ("long", "short"), [("0.00100000", "0.001"), ("1.00000000", "1"), ("100", "100"), ("0.00000001", "0.00000001")]
)
def test_only_zeros_behind_the_point_are_left_out(long: str, short: str):
    assert words.short(long) == short
