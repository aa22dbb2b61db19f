"""Decisions about invoices, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.invoices import rules, views
from strongroom.invoices.errors import IllegalMoveError, InvoiceNotCancellableError
from strongroom.invoices.model import MOVES, Anomaly, Invoice, Payment, PaymentState, Status
from strongroom_core.amounts import Amount
from strongroom_core.assets import EUR, REGTEST_BTC, REGTEST_LTC, USDT, Asset
from strongroom_core.ids import AddressId, DepositId, InvoiceId, MerchantId

START = datetime(2030, 1, 1, tzinfo=UTC)
DUE = 1_000_000
ENOUGH = 995_000
ORDER = list(PaymentState)


def make_invoice(status: Status = Status.NEW, **more: object) -> Invoice:
    values: dict[str, object] = {
        "id": InvoiceId.new(),
        "merchant_id": MerchantId.new(),
        "status": status,
        "exception": Anomaly.NONE,
        "reason": None,
        "price": Amount(EUR, 1000),
        "due": Amount(REGTEST_BTC, DUE),
        "enough": Amount(REGTEST_BTC, ENOUGH),
        "paid": Amount.zero(REGTEST_BTC),
        "pending": Amount.zero(REGTEST_BTC),
        "rate": None,
        "address_id": AddressId.new(),
        "address": "bcrt1qtest",
        "reference": None,
        "description": None,
        "redirect_url": None,
        "metadata": {},
        "created_at": START,
        "expires_at": START + timedelta(seconds=900),
        "monitor_seconds": 86_400,
        "processing_at": None,
        "vanished_at": None,
        "paid_at": None,
        "due_at": None,
        "payments": (),
    }
    return Invoice(**{**values, **more})  # type: ignore[arg-type]


def payment(
    amount: int, state: PaymentState, seconds: int = 0, *, dust: bool = False, asset: Asset = REGTEST_BTC
) -> Payment:
    first_seen_at = START + timedelta(seconds=seconds)
    return Payment(DepositId.new(), "ab" * 32, 0, asset, amount, state, 1, 0, 2, dust, first_seen_at)


payments = st.lists(
    st.builds(
        payment,
        st.sampled_from([1, 500, 5_000, 5_001, ENOUGH - 1, ENOUGH, DUE, DUE + 1]),
        st.sampled_from(PaymentState),
        st.sampled_from([0, 900, 901]),
        dust=st.booleans(),
    ),
    max_size=4,
)
strays = st.lists(
    st.builds(
        payment,
        st.sampled_from([1, ENOUGH, DUE, 10 * DUE]),
        st.sampled_from(PaymentState),
        st.sampled_from([0, 900, 901]),
        asset=st.sampled_from([USDT, REGTEST_LTC]),
    ),
    min_size=1,
    max_size=3,
)
moments = st.sampled_from([0, 899, 900, 901, 1_500, 87_300, 10**7]).map(lambda at: START + timedelta(seconds=at))


@given(st.integers(1, 10**16), st.integers(0, 1_000_000))
def test_the_tolerance_never_lets_more_go_than_its_share_and_never_everything(due: int, ppm: int) -> None:
    enough = rules.enough_of(Amount(REGTEST_BTC, due), ppm).base_units
    assert 1 <= enough <= due
    assert Fraction(due - enough, due) <= Fraction(ppm, 1_000_000)
    assert enough == 1 or Fraction(due - enough + 1, due) > Fraction(ppm, 1_000_000)


@given(payments, moments)
def test_judging_twice_is_judging_once(came: list[Payment], now: datetime) -> None:
    once = rules.judge(make_invoice(payments=tuple(came)), now)
    again = rules.judge(once.invoice, now)
    assert again.invoice == once.invoice
    assert again.steps == ()


@given(payments, moments, st.randoms(use_true_random=False))
def test_the_outcome_does_not_depend_on_the_order_of_payments(came: list[Payment], now: datetime, random) -> None:  # noqa: ANN001 -- Hypothesis gives it
    shuffled = list(came)
    random.shuffle(shuffled)
    one = rules.judge(make_invoice(payments=tuple(came)), now).invoice
    other = rules.judge(make_invoice(payments=tuple(shuffled)), now).invoice
    assert (one.status, one.exception, one.paid, one.pending) == (
        other.status,
        other.exception,
        other.paid,
        other.pending,
    )


@given(payments, moments)
def test_no_satoshi_is_lost_from_the_sums(came: list[Payment], now: datetime) -> None:
    made = rules.judge(make_invoice(payments=tuple(came)), now).invoice
    there = [one for one in came if one.state is not PaymentState.DROPPED]
    assert made.paid.base_units + made.pending.base_units == sum(one.amount for one in there)
    assert made.paid.base_units == sum(one.amount for one in there if one.state is PaymentState.CREDITED)


@given(payments, strays, moments)
def test_what_came_in_another_asset_counts_for_nothing_and_is_told(
    came: list[Payment], stray: list[Payment], now: datetime
) -> None:
    alone = rules.judge(make_invoice(payments=tuple(came)), now)
    both = rules.judge(make_invoice(payments=(*stray, *came)), now)
    assert [step.to_status for step in both.steps] == [step.to_status for step in alone.steps]
    told = replace(both.invoice, exception=alone.invoice.exception, payments=alone.invoice.payments)
    assert told == replace(alone.invoice, id=told.id, merchant_id=told.merchant_id, address_id=told.address_id)
    there = any(one.state is not PaymentState.DROPPED for one in stray)
    hides = alone.invoice.exception in {Anomaly.NONE, Anomaly.UNDERPAID}
    assert both.invoice.exception is (Anomaly.WRONG_ASSET if there and hides else alone.invoice.exception)


@given(payments, moments)
def test_paid_means_enough_was_seen_in_time_and_is_credited(came: list[Payment], now: datetime) -> None:
    made = rules.judge(make_invoice(payments=tuple(came)), now).invoice
    credited = sum(
        one.amount for one in came if one.state is PaymentState.CREDITED and one.first_seen_at <= made.expires_at
    )
    assert (made.status is Status.PAID) == (credited >= ENOUGH)


@given(st.sampled_from(Status), payments, moments)
def test_every_state_has_an_exit_or_waits_for_facts_only(status: Status, came: list[Payment], now: datetime) -> None:
    made = rules.judge(make_invoice(status, payments=tuple(came)), now).invoice
    assert (made.due_at is not None) == (made.status in {Status.NEW, Status.PROCESSING})
    if made.due_at is not None:
        assert made.due_at > now
        later = rules.judge(made, made.due_at)
        assert later.invoice.status is not made.status


@pytest.mark.parametrize("start", Status)
@pytest.mark.parametrize("end", Status)
def test_only_the_arrows_of_the_table_are_gone(start: Status, end: Status) -> None:
    arrows = {
        "new": {"processing", "paid", "expired", "invalid"},
        "processing": {"new", "paid", "invalid"},
        "paid": {"processing"},
        "expired": {"processing", "paid"},
        "invalid": {"processing", "paid"},
    }
    assert {status.value for status in MOVES[start]} == arrows[start]
    if end.value in arrows[start]:
        assert rules.move(make_invoice(start), end, None, START).status is end
    else:
        with pytest.raises(IllegalMoveError):
            rules.move(make_invoice(start), end, None, START)


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.NEW])
def test_only_a_new_invoice_is_cancelled(status: Status) -> None:
    with pytest.raises(InvoiceNotCancellableError):
        rules.cancel(make_invoice(status), START)


def test_a_held_payment_is_not_the_merchants_yet() -> None:
    made = rules.judge(make_invoice(payments=(payment(DUE, PaymentState.HELD),)), START).invoice
    assert made.status is Status.PROCESSING


@pytest.mark.parametrize(
    ("code_amount", "text"),
    [(100_000_000, "1"), (1, "0.00000001"), (150_000_000, "1.5"), (10_000_000_000, "100")],
)
def test_a_payment_uri_writes_the_amount_as_bip_21_does(code_amount: int, text: str) -> None:
    due = Amount(REGTEST_BTC, code_amount)
    assert views.payment_uri(make_invoice(due=due, enough=due)) == f"bitcoin:bcrt1qtest?amount={text}"


@given(st.fractions(min_value=Fraction(1, 10**6), max_value=10**9))
def test_a_rate_is_written_to_eight_decimals(price: Fraction) -> None:
    text = views.rate_text(price)
    assert abs(Fraction(text) - price) <= Fraction(1, 2 * 10**8)
    assert "e" not in text.lower()
