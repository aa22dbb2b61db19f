"""What the policies, marks, stops and limits mean, in chains small enough to reckon by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from strongroom_tracing.columns import Columns
from strongroom_tracing.taint import engine
from strongroom_tracing.taint.answer import Answer
from strongroom_tracing.taint.errors import BadQuestionError, ConservationError
from strongroom_tracing.taint.machine import layout
from strongroom_tracing.taint.model import Direction, Fees, Limits, Mark, Policy, Question
from strongroom_tracing.taint.service import trace
from strongroom_tracing.taint.tables import tables
from tests.unit.tracing import kit
from tests.unit.tracing.kit import Tx, coinbase

UNHEARD = "bip122:unheard"
NO_LIMITS = Limits()
# 0: 100 new, 1: 60 new; then 100 and 60 are spent together: 2: 30, 3: 90, 4: 30, and 10 are the fee.
MERGE = [[coinbase(100)], [coinbase(60)], [coinbase(10), Tx([0, 1], [(30, 1), (90, 2), (30, 3)])]]


def merge() -> Columns:
    return kit.columns_of(MERGE, chain=UNHEARD)


def ask(
    columns: Columns,
    policy: Policy,
    marks: Sequence[Mark],
    *,
    fees: Fees = Fees.ABSORBED,
    direction: Direction = Direction.FORWARD,
    stops: dict[int, str] | None = None,
    limits: Limits = NO_LIMITS,
) -> Answer:
    return trace(columns, Question(policy, fees, direction, tuple(marks), stops or {}, limits))


def held(answer: Answer) -> list[tuple[int, str, int]]:
    return [(row.output, row.claim, row.value) for row in answer.held]


@pytest.mark.parametrize(
    ("policy", "expected", "fee"),
    [
        (Policy.POISON, {3: 30, 4: 90, 5: 30}, 10),
        (Policy.HAIRCUT, {3: 11, 4: 34, 5: 11}, 4),  # 60 of 160: 56.25 to the outputs, so 56, and 4 to the fee
        (Policy.FIFO, {4: 20, 5: 30}, 10),  # 100 clean ones first
        (Policy.LIFO, {3: 30, 4: 30}, 0),  # 60 tainted ones first
        (Policy.TIHO, {4: 60}, 0),
    ],
)
def test_each_policy_spreads_a_tainted_input_as_it_is_defined(
    policy: Policy, expected: dict[int, int], fee: int
) -> None:
    answer = ask(merge(), policy, [Mark("theft", 1)])
    assert {row.output: row.value for row in answer.held} == expected
    assert sum(row.value for row in answer.fees) == fee


def test_largest_remainders_are_rounded_up_the_lowest_output_first() -> None:
    columns = kit.columns_of([[coinbase(10)], [coinbase(1), Tx([0], [(3, 0), (3, 0), (4, 0)])]], chain=UNHEARD)
    answer = ask(columns, Policy.HAIRCUT, [Mark("theft", 0, 5)])  # 1.5, 1.5, 2
    assert held(answer) == [(2, "theft", 2), (3, "theft", 1), (4, "theft", 2)]


def test_fifo_keeps_the_order_of_segments_inside_an_output() -> None:
    """Where in an output of 90 its tainted base units stand decides where they go when it is split."""
    blocks = [*MERGE, [coinbase(1), Tx([4], [(60, 1), (12, 1), (10, 1)])]]
    answer = ask(kit.columns_of(blocks, chain=UNHEARD), Policy.FIFO, [Mark("a", 0, 80), Mark("b", 1, 5)])
    # Output 4 has the base units 30..119 of the row: 50 of a, 20 clean, 5 of b, 15 clean.
    assert held(answer) == [(3, "a", 30), (7, "a", 50), (8, "b", 2), (9, "b", 3)]


def test_the_first_report_wins_a_mark_on_money_that_it_tainted_and_the_loser_is_shown() -> None:
    answer = ask(merge(), Policy.FIFO, [Mark("first", 0), Mark("second", 4)])
    # 90 base units of output 4 are 70 of the first report's and 20 of no one's.
    assert held(answer) == [(3, "first", 30), (4, "first", 70), (4, "second", 20)]
    assert [(row.output, row.claim, row.value, row.winner) for row in answer.contested] == [(4, "second", 70, "first")]


def test_the_first_report_wins_its_mark_when_a_later_reports_money_arrives() -> None:
    answer = ask(merge(), Policy.FIFO, [Mark("first", 4, 80), Mark("second", 0)])
    assert held(answer) == [(3, "second", 30), (4, "first", 80)]
    assert [(row.output, row.claim, row.value, row.winner) for row in answer.contested] == [(4, "second", 70, "first")]


def test_a_claim_that_marks_its_own_flow_gains_nothing() -> None:
    answer = ask(merge(), Policy.TIHO, [Mark("theft", 1), Mark("theft", 4, 50)])
    assert held(answer) == [(4, "theft", 60)]
    assert [(row.output, row.asked, row.again) for row in answer.marked] == [(1, 60, 0), (4, 50, 50)]


def test_an_order_of_marks_is_an_order_of_reports() -> None:
    marks = [Mark("second", 4), Mark("first", 0)]
    assert held(ask(merge(), Policy.FIFO, marks)) == [(3, "first", 30), (4, "second", 90)]


def test_poison_shows_every_claim_on_an_output_and_gives_it_to_the_first() -> None:
    answer = ask(merge(), Policy.POISON, [Mark("first", 1), Mark("second", 0)])
    assert held(answer) == [(3, "first", 30), (4, "first", 90), (5, "first", 30)]
    assert [(row.output, row.claim, row.winner) for row in answer.contested] == [
        (output, "second", "first") for output in (3, 4, 5)
    ]


def test_money_at_a_service_is_not_followed_and_is_summed_for_it() -> None:
    blocks = [*MERGE, [coinbase(1), Tx([3], [(30, 9)])]]
    answer = ask(kit.columns_of(blocks, chain=UNHEARD), Policy.LIFO, [Mark("a", 1)], stops={1: "exchange", 2: "mixer"})
    assert answer.by_service() == {"exchange": {"a": 30}, "mixer": {"a": 30}}
    assert answer.held == ()
    assert answer.visited_txs == 1


def test_a_marked_output_is_followed_even_from_a_service() -> None:
    blocks = [*MERGE, [coinbase(1), Tx([3], [(30, 9)])]]
    answer = ask(kit.columns_of(blocks, chain=UNHEARD), Policy.FIFO, [Mark("a", 3)], stops={1: "exchange"})
    assert held(answer) == [(7, "a", 30)]


ONWARD = [[coinbase(100)], [coinbase(50), Tx([0], [(100, 7)])], [coinbase(50), Tx([2], [(100, 8)])]]


@pytest.mark.parametrize("policy", list(Policy))
def test_a_mark_lets_only_the_money_of_its_own_claim_through_a_stop(policy: Policy) -> None:
    """Whoever marks one base unit of an exchange's output does not get all that others lost past the exchange."""
    columns = kit.columns_of(ONWARD, chain=UNHEARD)
    answer = ask(columns, policy, [Mark("late", 2, 1), Mark("early", 0)][::-1], stops={7: "exchange"})
    assert answer.by_service() == {"exchange": {"early": 100}}
    assert {row.claim for row in answer.held} == ({"late"} if policy is Policy.POISON else set())
    answer = ask(columns, policy, [Mark("early", 2, 1), Mark("late", 0)], stops={7: "exchange"})
    if policy is Policy.POISON:
        assert [(row.claim, row.winner, row.service) for row in answer.contested] == [("late", "early", "exchange")]
    else:
        assert answer.by_service() == {"exchange": {"late": 99}}
        assert held(answer) == [(4, "early", 1)]


@pytest.mark.parametrize("policy", [Policy.HAIRCUT, Policy.FIFO, Policy.LIFO, Policy.TIHO])
def test_a_mark_begins_the_hops_anew_only_for_its_own_claim(policy: Policy) -> None:
    columns = kit.columns_of([*ONWARD, [coinbase(50), Tx([4], [(100, 9)])]], chain=UNHEARD)
    limits = Limits(hops=2)
    marks = [Mark("early", 2, 1), Mark("late", 0)]
    answer = ask(columns, policy, marks, limits=limits)
    assert [(row.output, row.claim, row.value, row.reason) for row in answer.left] == [(4, "late", 99, "hop-limit")]
    assert held(answer) == [(6, "early", 1)]


def test_a_mark_makes_only_the_money_of_its_own_claim_never_too_little() -> None:
    blocks = [[coinbase(10)], [coinbase(50), Tx([0], [(10, 7)])], [coinbase(50), Tx([2], [(10, 8)])]]
    marks = [Mark("early", 2, 1), Mark("late", 0, 4)]
    answer = ask(kit.columns_of(blocks, chain=UNHEARD), Policy.TIHO, marks, limits=Limits(smallest=5))
    assert [(row.output, row.claim, row.value, row.reason) for row in answer.left] == [
        (2, "late", 4, "below-threshold")
    ]
    assert held(answer) == [(4, "early", 1)]


def test_lots_of_one_claim_that_go_the_same_way_take_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """An output with hundreds of tainted pieces, passed on and on: the table of rows must not grow with both."""
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
    answer = ask(kit.columns_of(blocks, chain=UNHEARD), Policy.FIFO, [Mark("theft", 2 * n) for n in range(lots)])
    assert len(answer.moves) == lots + hops
    assert answer.moves[-1].value == 2 * lots
    assert written[0] < 4 * lots + hops


def test_limits_leave_money_behind_and_say_why() -> None:
    blocks = [*MERGE, [coinbase(1), Tx([4], [(90, 4)])], [coinbase(1), Tx([7], [(90, 5)])]]
    columns = kit.columns_of(blocks, chain=UNHEARD)
    for limits, reason, output in (
        (Limits(hops=1), "hop-limit", 4),
        (Limits(hops=2), "hop-limit", 7),
        (Limits(smallest=61), "below-threshold", 4),
        (Limits(height=3), "height-limit", 7),
    ):
        answer = ask(columns, Policy.TIHO, [Mark("theft", 1)], limits=limits)
        assert [(row.output, row.value, row.reason) for row in answer.left] == [(output, 60, reason)]
    assert held(ask(columns, Policy.TIHO, [Mark("theft", 1)], limits=Limits(smallest=60))) == [(9, "theft", 60)]


def test_a_fee_is_carried_to_the_coinbase_behind_the_subsidy_in_the_order_of_chain_txs() -> None:
    blocks = [
        [coinbase(100, 100)],
        [coinbase(13), Tx([0], [(98, 0)]), Tx([1], [(97, 0)])],  # fees 2 and 3, so 8 are new
        [coinbase(1), Tx([2], [(8, 1), (2, 2), (3, 3)])],
    ]
    answer = ask(kit.columns_of(blocks, chain=UNHEARD), Policy.FIFO, [Mark("a", 0), Mark("b", 1)], fees=Fees.CARRIED)
    assert [row for row in held(answer) if row[0] > 5] == [(7, "a", 2), (8, "b", 3)]


def test_a_coinbase_that_claims_less_than_it_may_loses_the_last_fees() -> None:
    """Regtest pays 37 base units at this height; with a fee of 5 the coinbase claims 39."""
    blocks = [[coinbase(20)], [coinbase(39), Tx([0], [(15, 0)])]]
    columns = kit.columns_of(blocks, first_height=150 * 27)
    answer = ask(columns, Policy.FIFO, [Mark("theft", 0)], fees=Fees.CARRIED)
    assert held(answer) == [(1, "theft", 2), (2, "theft", 15)]
    assert [(row.tx, row.value) for row in answer.fees] == [(1, 3)]


def test_inputs_of_unknown_value_bring_what_the_outputs_need_and_it_is_said() -> None:
    blocks = [[coinbase(20)], [coinbase(1), Tx([-2, 0, -3], [(50, 0), (20, 0)])]]
    columns = kit.columns_of(blocks, external=(-1, -1), chain=UNHEARD)
    answer = ask(columns, Policy.FIFO, [Mark("theft", 0)])
    assert held(answer) == [(3, "theft", 20)]
    assert [(row.tx, row.value, row.inputs) for row in answer.assumed] == [(2, 50, 2)]


@pytest.mark.parametrize("policy", [Policy.FIFO, Policy.LIFO])
def test_backward_is_the_inverse_of_forward(policy: Policy) -> None:
    """What forward brings from one output into another is what backward finds from there, whole outputs marked."""
    there = ask(merge(), policy, [Mark("x", 1)], fees=Fees.CARRIED)
    for row in there.held:
        back = ask(merge(), policy, [Mark("x", row.output)], fees=Fees.CARRIED, direction=Direction.BACKWARD)
        assert {m.value for m in back.moves if m.source == 1 and m.sink in {row.output, -1}} == {row.value}


def test_backward_ends_at_new_money_and_before_the_index() -> None:
    blocks = [[coinbase(20)], [coinbase(1), Tx([-2, 0], [(25, 0)])]]
    columns = kit.columns_of(blocks, external=(5,), chain=UNHEARD)
    answer = ask(columns, Policy.HAIRCUT, [Mark("theft", 2)], direction=Direction.BACKWARD)
    assert [(row.tx, row.spent, row.value) for row in answer.origins] == [(0, -1, 20), (2, -2, 5)]


def test_questions_that_make_no_sense_are_refused() -> None:
    for marks, limits in (
        ([Mark("theft", 99)], Limits()),
        ([Mark("theft", 0, 101)], Limits()),
        ([Mark("theft", 0, 0)], Limits()),
        ([Mark("theft", 0)], Limits(hops=-1)),
    ):
        with pytest.raises(BadQuestionError):
            ask(merge(), Policy.FIFO, marks, limits=limits)


def test_a_carried_fee_that_a_limit_ends_is_left_and_not_lost() -> None:
    columns = kit.columns_of([[coinbase(100)], [coinbase(60), Tx([0], [(90, 1)])]], chain=UNHEARD)
    fee = columns.outputs + 2
    for limits, reason in ((Limits(hops=1), "hop-limit"), (Limits(smallest=11), "below-threshold")):
        answer = ask(columns, Policy.FIFO, [Mark("theft", 0)], fees=Fees.CARRIED, limits=limits)
        assert answer.fees == ()
        assert [(row.output, row.value, row.reason) for row in answer.left] == [(fee, 10, reason)]
        assert answer.totals()["theft"]["left"] == 10
        (row,) = tables(columns, answer)["left"].to_pylist()
        assert (row["output"], row["height"]) == (f"fee of {columns.txid_text(2)}", columns.first_height + 1)
    poison = ask(columns, Policy.POISON, [Mark("a", 0), Mark("b", 0)], fees=Fees.CARRIED, limits=Limits(hops=1))
    assert [(row.output, row.claim) for row in poison.left] == [(fee, "a")]
    assert (fee, "b", "a") in [(row.output, row.claim, row.winner) for row in poison.contested]


def test_columns_out_of_order_are_refused() -> None:
    """A coinbase whose output is spent in its own block cannot collect the fee of who spends it."""
    columns = kit.columns_of([[coinbase(20), Tx([0], [(15, 0)])]], chain=UNHEARD)
    with pytest.raises(BadQuestionError, match="chain order"):
        ask(columns, Policy.FIFO, [Mark("theft", 0)], fees=Fees.CARRIED)


def test_an_answer_that_lost_money_does_not_pass_its_check() -> None:
    answer = ask(merge(), Policy.FIFO, [Mark("theft", 1)])
    answer.kinds[layout.HELD][0, 2] -= 1
    with pytest.raises(ConservationError):
        answer.check()
    answer = ask(merge(), Policy.POISON, [Mark("theft", 1)])
    answer.kinds[layout.BELOW] = answer.kinds[layout.HELD]
    with pytest.raises(ConservationError):
        answer.check()


def test_progress_is_told_and_a_paused_machine_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [[coinbase(100)]] + [[coinbase(1), Tx([0 if n == 1 else 2 * n - 2], [(100, 0)])] for n in range(1, 6)]
    columns = kit.columns_of(blocks, chain=UNHEARD)
    whole = ask(columns, Policy.FIFO, [Mark("theft", 0)])
    monkeypatch.setattr(engine, "_SLICE", 2)
    told: list[tuple[int, int]] = []
    question = whole.question
    paused = trace(columns, question, lambda done, total: told.append((done, total)))
    assert paused.moves == whole.moves
    assert told == [(4, 11), (8, 11), (11, 11)]


def test_tables_grow_without_losing_anything() -> None:
    """More outputs, lots and rows than the machine starts with."""
    many = 3000
    wide = Tx([0], [(2, n) for n in range(many)])
    columns = kit.columns_of(
        [[coinbase(2 * many)], [coinbase(1), wide], [coinbase(1), Tx(range(2, many + 2), [(2 * many, 0)])]],
        chain=UNHEARD,
    )
    for policy in Policy:
        answer = ask(columns, policy, [Mark("a", 0, 1000), Mark("b", 0)])
        assert {row.output for row in answer.held} == {many + 3}
        assert answer.visited_txs == 2


def test_many_marks_on_one_chain_tx_need_little_room() -> None:
    """A payout of thousands, all of them marked: room grows with the marks, not with their square."""
    many = 3000
    columns = kit.columns_of(
        [[coinbase(2 * many)], [coinbase(1), Tx([0], [(2, n) for n in range(many)])]], chain=UNHEARD
    )
    marks = [Mark(f"report {output % 3}", output) for output in range(2, many + 2)]
    for policy in Policy:
        answer = ask(columns, policy, [Mark("first", 0, 1000), *marks])
        assert len(answer.marked) == many + 1
        assert {row.winner for row in answer.contested} == {"first"}
