"""Decisions about invoices whose stablecoin is not at its par, without a database."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.invoices import rules
from strongroom.invoices.errors import InvoiceNotHeldError
from strongroom.invoices.model import Anomaly, Invoice, LockedRate, Payment, PaymentState, Reason, Status
from strongroom_core.assets import REGTEST_BTC
from tests.unit.invoices.test_rules import DUE, START, make_invoice, moments, payment, payments

GONE = frozenset({REGTEST_BTC.id})  # the rules ask which asset it is, not what kind
RATE = LockedRate(Fraction(1), ("fixed",), START, 0)


def priced(*came: Payment, **more: object) -> Invoice:
    return make_invoice(**{"rate": RATE, "payments": came, **more})  # type: ignore[arg-type]


def held() -> Invoice:
    return rules.judge(priced(payment(DUE, PaymentState.CREDITED)), START, GONE).invoice


@given(payments, moments)
def test_nothing_becomes_paid_while_its_asset_is_not_at_par(came: list[Payment], now: datetime) -> None:
    invoice = priced(*came)
    judged, usual = rules.judge(invoice, now, GONE), rules.judge(invoice, now)
    assert judged.invoice.status is not Status.PAID
    assert (judged.invoice.paid, judged.invoice.pending) == (usual.invoice.paid, usual.invoice.pending)
    if usual.invoice.status is Status.PAID:
        assert (judged.invoice.status, judged.invoice.exception) == (Status.PROCESSING, Anomaly.DEPEGGED)
        assert judged.invoice.due_at is not None, "a held invoice has an end"
        assert rules.judge(judged.invoice, now).invoice.status is Status.PAID
    else:
        assert judged.invoice == usual.invoice


@given(payments, moments)
def test_another_assets_par_and_a_price_in_the_asset_itself_change_nothing(came: list[Payment], now: datetime) -> None:
    other = priced(*came)
    assert rules.judge(other, now, {"another"}) == rules.judge(other, now)
    own = make_invoice(payments=tuple(came))
    assert rules.judge(own, now, GONE) == rules.judge(own, now)


def test_what_was_paid_before_stays_paid() -> None:
    paid = rules.judge(priced(payment(DUE, PaymentState.CREDITED)), START).invoice
    assert rules.judge(paid, START, GONE).invoice == paid


def test_back_at_par_it_is_paid_and_waiting_too_long_ends_it_for_good() -> None:
    waiting = held()
    assert (waiting.status, waiting.exception) == (Status.PROCESSING, Anomaly.DEPEGGED)
    assert rules.judge(waiting, START + timedelta(hours=1)).invoice.status is Status.PAID
    assert waiting.due_at is not None
    ended = rules.judge(waiting, waiting.due_at, GONE).invoice
    assert (ended.status, ended.reason, ended.exception) == (Status.INVALID, Reason.DEPEGGED, Anomaly.DEPEGGED)
    assert rules.judge(ended, waiting.due_at).invoice == ended


@given(st.sampled_from([GONE, frozenset[str]()]))
def test_the_operator_decides_sooner(depegged: frozenset[str]) -> None:
    accepted = rules.accept(held(), START)
    assert (accepted.invoice.status, accepted.invoice.exception) == (Status.PAID, Anomaly.NONE)
    assert rules.judge(accepted.invoice, START, depegged).invoice == accepted.invoice
    refused = rules.refuse(held(), START)
    assert (refused.invoice.status, refused.invoice.reason) == (Status.INVALID, Reason.DEPEGGED)
    assert rules.judge(refused.invoice, START, depegged).invoice == refused.invoice
    assert rules.accept(refused.invoice, START).invoice.status is Status.PAID
    assert [step.to_status for step in (*accepted.steps, *refused.steps)] == [Status.PAID, Status.INVALID]


@pytest.mark.parametrize("decide", [rules.accept, rules.refuse])
def test_only_an_invoice_that_waits_for_par_is_decided(decide) -> None:  # noqa: ANN001 -- Hypothesis gives it
    for usual in (priced(), rules.judge(priced(payment(DUE, PaymentState.CREDITED)), START).invoice):
        with pytest.raises(InvoiceNotHeldError):
            decide(usual, START)
