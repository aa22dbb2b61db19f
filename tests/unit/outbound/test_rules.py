"""What a refusal means, who is asked first, and that the tables of moves have an exit everywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from strongroom.outbound import rules
from strongroom.outbound.model import SLOT_MOVES, Answer, AnswerState, SignerState, SlotState
from strongroom.payouts.model import PAYOUT_MOVES, PayoutState
from strongroom.treasury.model import PAYABLE_MOVES, PayableState
from strongroom_core.refusals import RefusalTag

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def answer(signer: str, state: AnswerState) -> Answer:
    return Answer(signer, 1, state, None, "", "")


def refusal(tag: str = "limit-payout", payout: str = "pay_x") -> rules.Refusal:
    return rules.Refusal("B", tag, "because", payout)


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        (None, rules.Verdict.PLAN_AGAIN),
        (AnswerState.REFUSED, rules.Verdict.PLAN_AGAIN),
        (AnswerState.ASKED, rules.Verdict.VOID_ALL),
        (AnswerState.SIGNED, rules.Verdict.VOID_ALL),
    ],
)
def test_a_refusal_frees_the_payouts_only_where_no_other_signer_may_have_signed(
    other: AnswerState | None, verdict: rules.Verdict
) -> None:
    answers = [answer("B", AnswerState.REFUSED)] + ([answer("A", other)] if other else [])
    assert rules.judge_refusal(refusal(), 1, answers) is verdict


@pytest.mark.parametrize("tag", sorted(rules.WAIT_TAGS))
def test_what_says_nothing_about_a_payout_only_waits(tag: str) -> None:
    for number in (1, 2):
        assert rules.judge_refusal(refusal(tag), number, [answer("A", AnswerState.SIGNED)]) is rules.Verdict.WAIT


def test_a_refused_replacement_costs_only_the_replacement() -> None:
    assert rules.judge_refusal(refusal(), 2, [answer("A", AnswerState.SIGNED)]) is rules.Verdict.DROP_VERSION


def test_a_cost_that_one_signer_accepted_waits_and_one_that_nobody_did_is_planned_again() -> None:
    signed = [answer("A", AnswerState.SIGNED)]
    assert rules.judge_refusal(refusal("fee-rate"), 1, signed) is rules.Verdict.WAIT
    assert rules.judge_refusal(refusal("fee-rate"), 1, []) is rules.Verdict.PLAN_AGAIN


def test_every_tag_reads_as_a_sentence() -> None:
    for tag in (*RefusalTag, rules.BATCH_REFUSED):
        assert rules.readable(tag, "a signer's own words")


def test_the_signer_that_refused_last_is_asked_first() -> None:
    def state(name: str, minutes: int | None) -> SignerState:
        refused = None if minutes is None else NOW + timedelta(minutes=minutes)
        return SignerState(name, "ok", "", 0, NOW, refused)

    states = {"A": state("A", None), "B": state("B", 1)}
    assert rules.sceptics_first(["A", "B"], states) == ["B", "A"]
    assert rules.sceptics_first(["A", "B"], states | {"A": state("A", 2)}) == ["A", "B"]
    assert rules.sceptics_first(["A", "B"], {}) == ["A", "B"]


def test_a_void_is_asked_of_the_preferred_signer_first_and_never_of_one_that_signed() -> None:
    assert rules.void_order(["A", "B"], "B", frozenset()) == ["B", "A"]
    assert rules.void_order(["A", "B"], "", frozenset({"A"})) == ["B"]
    assert rules.void_order(["A", "B"], "A", frozenset({"A", "B"})) == []


def test_a_void_that_waits_is_told_at_once_and_then_more_and_more_seldom() -> None:
    assert [count for count in range(20) if rules.is_alarm_due(count)] == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(
    ("moves", "ends"),
    [
        (SLOT_MOVES, {SlotState.FINAL}),
        (PAYABLE_MOVES, {PayableState.PAID, PayableState.WITHDRAWN}),
        (PAYOUT_MOVES, {PayoutState.FINAL, PayoutState.REFUSED, PayoutState.CANCELLED, PayoutState.EXPIRED}),
    ],
)
def test_every_state_reaches_an_end(moves: dict[str, frozenset[str]], ends: set[str]) -> None:
    assert {state for state, after in moves.items() if not after} == ends
    for state in moves:
        reached, todo = set(), [state]
        while todo:
            at = todo.pop()
            if at not in reached:
                reached.add(at)
                todo += moves[at]
        assert reached & ends
