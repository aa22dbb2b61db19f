"""A report is as old as itself: what a claim marks later does not win by what the claim marked first."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom_tracing.taint import engine
from strongroom_tracing.taint.answer import Answer
from strongroom_tracing.taint.machine import layout
from strongroom_tracing.taint.model import Direction, Fees, Mark, Policy, Question
from strongroom_tracing.taint.service import trace
from tests.unit.tracing import kit
from tests.unit.tracing.kit import Tx, coinbase

UNHEARD = "bip122:unheard"
IN_ORDER = [Policy.FIFO, Policy.LIFO]
EVERY_WAY = [(policy, direction) for policy in Policy for direction in Direction]
# 0: 100 new, 1: 60 new; both are paid on whole to 4, which nobody spends.
BLOCKS = [[coinbase(100)], [coinbase(60)], [coinbase(9), Tx([0, 1], [(160, 1)])]]


def ask(policy: Policy, *marks: Mark, direction: Direction = Direction.FORWARD, blocks: Any = BLOCKS) -> Answer:
    return trace(kit.columns_of(blocks, chain=UNHEARD), Question(policy, Fees.ABSORBED, direction, marks))


def contested(answer: Answer) -> set[tuple[int, str, str]]:
    return {(row.output, row.claim, row.winner) for row in answer.contested}


@pytest.mark.parametrize(("policy", "direction"), EVERY_WAY)
def test_whoever_marked_something_else_first_does_not_win_what_another_marked_before_him(
    policy: Policy, direction: Direction
) -> None:
    answer = ask(policy, Mark("squatter", 2), Mark("victim", 0), Mark("squatter", 0), direction=direction)
    forward, poison = direction is Direction.FORWARD, policy is Policy.POISON
    ends = answer.held if forward else answer.origins
    found = {row.claim: row.value for row in ends}
    if poison:  # which shows who asks for an output where the way ends
        assert contested(answer) == ({(3, "squatter", "victim")} if forward else set())
        assert found == {"squatter": 9, "victim": 160 if forward else 100}
    else:
        assert contested(answer) == {(0, "squatter", "victim")}
        assert found == {"squatter": 9, "victim": 100}


@pytest.mark.parametrize("policy", list(Policy))
def test_money_that_flowed_from_an_older_mark_keeps_its_claim(policy: Policy) -> None:
    answer = ask(policy, Mark("first", 0), Mark("second", 1), Mark("first", 3))
    taken = {(row.claim, row.winner, row.value) for row in answer.contested}
    # Of what arrives at 3, 100 are the first's since before the second's report, and 60 the second's.
    assert taken == {("second", "first", 160) if policy is Policy.POISON else ("first", "second", 60)}


@pytest.mark.parametrize("policy", list(Policy))
def test_what_a_claim_marks_twice_is_as_old_as_its_older_mark_and_loses_nothing_to_itself(policy: Policy) -> None:
    marks = (Mark("a", 0, 40), Mark("b", 0, 70), Mark("a", 0, 100))
    answer = ask(policy, *marks)
    asked = sorted((row.claim, row.asked, row.again) for row in answer.marked)
    if policy is Policy.POISON:
        assert asked == [("a", 100, 0), ("a", 100, 100), ("b", 100, 0)]
        return
    assert asked == [("a", 40, 0), ("a", 100, 40), ("b", 70, 0)]
    lost = {(row.claim, row.winner): row.value for row in answer.contested}
    # Where places are known all begin at the first unit; else the second takes what is free.
    wanted = {("b", "a"): 40, ("a", "b"): 30} if policy in IN_ORDER else {("b", "a"): 10, ("a", "b"): 60}
    assert lost == wanted
    found = {row.claim: row.value for row in answer.held}
    assert found == ({"a": 70, "b": 30} if policy in IN_ORDER else {"a": 40, "b": 60})


def test_what_one_report_marks_twice_is_the_larger_part_of_it() -> None:
    for amounts in ((40, 70), (70, 40)):
        answer = ask(Policy.FIFO, *(Mark("a", 0, amount) for amount in amounts))
        assert [(row.asked, row.again) for row in answer.marked] == [(70, 0)]


@pytest.mark.parametrize("policy", [Policy.HAIRCUT, Policy.TIHO])
def test_an_older_mark_on_the_claims_own_money_makes_that_money_as_old(policy: Policy) -> None:
    """The claim's own flow is of its youngest report; at 3 its oldest one names all of it."""
    answer = ask(policy, Mark("a", 3), Mark("b", 3), Mark("a", 0))
    assert contested(answer) == {(3, "b", "a")}
    assert [(row.output, row.claim, row.value) for row in answer.held] == [(3, "a", 160)]


@pytest.mark.parametrize("policy", list(Policy))
def test_behind_a_service_a_claim_is_no_older_than_the_mark_that_opened_it(policy: Policy) -> None:
    """Else whoever once marked something that went to an exchange could open it later, and win what came out."""
    blocks = [[coinbase(100)], [coinbase(50), Tx([0], [(100, 7)])], [coinbase(50), Tx([2], [(100, 8)])]]
    marks = (Mark("old", 0), Mark("victim", 4), Mark("old", 2))
    answer = trace(
        kit.columns_of(blocks, chain=UNHEARD),
        Question(policy, Fees.ABSORBED, Direction.FORWARD, marks, {7: "exchange"}),
    )
    assert [(row.output, row.claim, row.value) for row in answer.held] == [(4, "victim", 100)]
    assert [(row.output, row.claim, row.value, row.winner) for row in answer.contested] == [(4, "old", 100, "victim")]


def test_lots_of_two_claims_in_turn_take_a_row_for_each_claim_and_not_for_each_lot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lots, hops = 300, 40
    last = 2 * lots + 1
    onward = [Tx([last if n == 0 else last + 1 + n], [(4 * lots, 1)]) for n in range(hops)]
    blocks = [
        [coinbase(*([2] * 2 * lots))],
        [coinbase(1), Tx(list(range(2 * lots)), [(4 * lots, 1)])],
        [coinbase(1), *onward],
    ]
    written: list[int] = []
    answer_of = engine._answer

    def count(work: layout.Work, *rest: Any) -> Answer:
        written.append(int(work.state[layout.ROWS]))
        return answer_of(work, *rest)

    monkeypatch.setattr(engine, "_answer", count)
    for policy in (Policy.FIFO, Policy.LIFO, Policy.TIHO):
        answer = ask(policy, *(Mark("ab"[n % 2], n) for n in range(2 * lots)), blocks=blocks)
        assert len(answer.moves) == 2 * lots + 2 * hops
        assert {row.value for row in answer.held} == {2 * lots}
        assert written.pop() < 7 * lots + 2 * hops
