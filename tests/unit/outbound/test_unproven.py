"""A signer that has not seen yet what the chain brought is asked again, and no payout ends by it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from strongroom.outbound.model import Answer, AnswerState, Payment
from strongroom.outbound.rules import Refusal, Verdict, judge_refusal
from strongroom.treasury import rules
from strongroom.treasury.model import Payable, PayableState, Queued
from strongroom_core.ids import HoldId, MerchantId, PayoutId
from strongroom_core.intents import SignedIntent
from strongroom_core.refusals import RefusalTag

FEE = 3
TAGS = ("balance-merchant", "balance-house", "merchant-frozen", "coin-unproven")


def answer(signer: str, state: AnswerState) -> Answer:
    return Answer(signer, 1, state, None, "", "")


@pytest.mark.parametrize("tag", TAGS)
def test_what_nobody_signed_is_planned_again_later_and_nothing_is_voided(tag: str) -> None:
    refusal = Refusal("A", tag, "not covered", "pay_x")
    assert judge_refusal(refusal, 1, [answer("A", AnswerState.REFUSED)]) is Verdict.LATER
    assert RefusalTag(tag)


@pytest.mark.parametrize("state", [AnswerState.SIGNED, AnswerState.ASKED])
@pytest.mark.parametrize("tag", TAGS)
def test_what_another_may_have_signed_waits_where_it_is(tag: str, state: AnswerState) -> None:
    refusal = Refusal("A", tag, "not covered", "pay_x")
    assert judge_refusal(refusal, 1, [answer("A", AnswerState.REFUSED), answer("B", state)]) is Verdict.WAIT


@pytest.mark.parametrize("tag", ["peer-silent", "peer-policy", "journal-behind", "journal-forked", "chain-view"])
def test_a_signer_that_does_not_trust_its_own_eyes_is_waited_for(tag: str) -> None:
    assert judge_refusal(Refusal("A", tag, "not now", ""), 1, []) is Verdict.WAIT


def queued(merchant: str, amount: int) -> Queued:
    evidence = SignedIntent(b"", bytes(32), bytes(64))
    paid = Payment(PayoutId.new(), MerchantId(merchant), amount, FEE, HoldId.new(), b"", evidence)
    payable = Payable(paid, "bip122:x", datetime(2026, 1, 1, tzinfo=UTC))
    return Queued(payable, PayableState.QUEUED, False, False, 0, None, datetime(2026, 1, 1, tzinfo=UTC))


def test_each_merchant_is_paid_up_to_its_own_cover_and_no_other_feels_it() -> None:
    queue = [queued("mer_a", 70), queued("mer_b", 50), queued("mer_a", 40), queued("mer_a", 20)]
    cover = {"mer_a": 90 + 2 * FEE, "mer_b": 49 + FEE}
    assert [item.payment.amount for item in rules.covered(queue, cover)] == [70, 20]
    assert rules.covered(queue, {}) == []
