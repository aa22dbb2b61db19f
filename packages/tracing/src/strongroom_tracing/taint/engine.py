"""Run the machine: give it its tables, let them grow, and make an answer of what it wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.columns import Columns
from strongroom_tracing.taint import rules
from strongroom_tracing.taint.answer import Answer
from strongroom_tracing.taint.errors import BadQuestionError
from strongroom_tracing.taint.machine import layout as at
from strongroom_tracing.taint.machine.layout import Array, Chain, Work
from strongroom_tracing.taint.machine.running import advance
from strongroom_tracing.taint.model import Direction, Fees, Mark, Policy, Question

_SLICE: Final = 200_000  # chain txs between two looks at the clock and at Ctrl-C
_POLICIES: Final = {
    Policy.POISON: at.POISON,
    Policy.HAIRCUT: at.HAIRCUT,
    Policy.FIFO: at.FIFO,
    Policy.LIFO: at.LIFO,
    Policy.TIHO: at.TIHO,
}
_WIDTHS: Final = {"items": 5, "lots": 5, "scratch": 12, "slots": 8, "rows": 6}
_LOTS: Final = ("items", "heap", "lots", "scratch")


def read_only(array: npt.NDArray[np.int64]) -> Array:
    """Give an array as compiled code expects it: 64-bit, in a row, not to be written; one type, one compilation."""
    view = np.ascontiguousarray(array, dtype=np.int64).view()
    view.flags.writeable = False
    return view


def chain_of(columns: Columns) -> Chain:
    """Give the columns that the machine reads."""
    return Chain(*(read_only(getattr(columns, name)) for name in Chain._fields))


def run(columns: Columns, question: Question, progress: Callable[[int, int], None] | None) -> Answer:
    """Follow the marks of a question to the end."""
    claims = tuple(dict.fromkeys(mark.claim for mark in question.marks))
    chain = chain_of(columns)
    work = _work(columns, question, claims)
    while (status := advance(chain, work, _SLICE)) != at.DONE:
        if status == at.WRONG:
            message = (
                "The columns are not in chain order: an output is spent before it is made (a coinbase: in its block)."
            )
            raise BadQuestionError(message)
        if status == at.GROW:
            work = _grown(work)
        elif progress is not None:
            progress(_reached(work, question), columns.txs)
    if progress is not None:
        progress(columns.txs, columns.txs)
    return _answer(work, question, claims)


def _reached(work: Work, question: Question) -> int:
    tx = int(work.state[at.TX])
    return tx if question.direction is Direction.FORWARD else -tx


def _state(columns: Columns, question: Question, most_marks: int) -> Array:
    limits = question.limits
    forward = question.direction is Direction.FORWARD
    state = np.zeros(at.STATE, dtype=np.int64)
    state[at.POLICY] = _POLICIES[question.policy]
    state[at.DIRECTION] = at.FORWARD if forward else at.BACKWARD
    state[at.FEES] = at.CARRIED if question.fees is Fees.CARRIED else at.ABSORBED
    state[at.HOPS] = -1 if limits.hops is None else limits.hops
    state[at.SMALLEST] = limits.smallest
    state[at.BOUND] = rules.tx_bound(columns, limits.height, forward=forward)
    state[at.SUBSIDY], state[at.HALVING] = rules.subsidy(columns.chain)
    state[at.FIRST_HEIGHT] = columns.first_height
    state[at.MOST_MARKS] = most_marks
    state[at.PHASE] = at.STARTING
    state[at.NOW] = np.iinfo(np.int64).min
    state[at.ITEM_FREE] = state[at.LOT_FREE] = -1
    return state


def _work(columns: Columns, question: Question, claims: tuple[str, ...]) -> Work:
    reports = _reports(question.marks)
    amounts: dict[tuple[int, int], int] = {}
    for number, (_, marks_of_it) in enumerate(reports):
        for mark in marks_of_it:
            place = (mark.output, number)
            amounts[place] = max(amounts.get(place, 0), _amount(columns, mark))
    marks = [(output, report, amounts[output, report], 0) for output, report in sorted(amounts)]
    size = 1024 + 2 * len(marks)
    return Work(
        state=_state(columns, question, max(Counter(mark[0] for mark in marks).values(), default=0)),
        marks=np.array(marks, dtype=np.int64).reshape(-1, 4).T.copy(),
        stops=np.array(sorted(question.stops), dtype=np.int64),
        claims=_lines(claims, [claim for claim, _ in reports]),
        heap=np.zeros(size, dtype=np.int64),
        grid=np.zeros(size, dtype=np.int64),
        **{name: np.zeros((size, width), dtype=np.int64) for name, width in _WIDTHS.items()},
    )


def _reports(marks: Sequence[Mark]) -> list[tuple[str, list[Mark]]]:
    """Give the marks of one claim between which none of another stands as one report: nothing else tells their age."""
    return [(claim, list(found)) for claim, found in groupby(marks, key=lambda mark: mark.claim)]


def _lines(claims: Sequence[str], reports: Sequence[str]) -> Array:
    numbers = {claim: number for number, claim in enumerate(claims)}
    lines = np.full((len(reports), at.CLAIM_WIDTH), -1, dtype=np.int64)
    lines[:, at.CLAIM_OF] = [numbers[claim] for claim in reports]
    return lines


def _amount(columns: Columns, mark: Mark) -> int:
    return int(columns.output_value[mark.output]) if mark.amount is None else mark.amount


def _grown(work: Work) -> Work:
    """Give the tables the room that the machine asked for, and as much again."""
    state = work.state
    live = int(max(state[at.LOTS_LIVE], state[at.HEAPED]))
    wanted = {name: live + int(state[at.NEED_LOTS]) for name in _LOTS}
    wanted["slots"] = int(state[at.NEED_SLOTS])
    wanted["rows"] = int(state[at.ROWS] + state[at.NEED_ROWS])
    wanted["grid"] = int(state[at.NEED_GRID])
    return work._replace(**{name: _longer(getattr(work, name), size) for name, size in wanted.items()})


def _longer(array: Array, size: int) -> Array:
    if len(array) >= size:
        return array
    longer = np.zeros((2 * size, *array.shape[1:]), dtype=np.int64)
    longer[: len(array)] = array
    return longer


def _answer(work: Work, question: Question, claims: tuple[str, ...]) -> Answer:
    """Sort the rows, so that they do not tell in which order they were found."""
    rows = work.rows[: work.state[at.ROWS]]
    _name_claims(rows, work.claims[:, at.CLAIM_OF])
    kinds = {kind: rows[rows[:, 0] == kind][:, 1:] for kind in range(at.MOVE + 1)}
    made = {kind: _sums(found) for kind, found in kinds.items() if kind != at.MARKED}
    made[at.MARKED] = kinds[at.MARKED].copy()
    return Answer(question, claims, made, int(work.state[at.VISITED]))


def _name_claims(rows: Array, claim_of: Array) -> None:
    """Write claims where the machine wrote reports: to whom money belongs; and, where it is contested, who won it."""
    for column, kinds in ((2, rows[:, 0] != at.ASSUMED), (4, rows[:, 0] == at.CONTESTED)):
        rows[kinds, column] = claim_of[rows[kinds, column]]


def _sums(rows: Array) -> Array:
    """Sort rows (place, claim, value, more, another); sum the value of those that are alike in all else."""
    if len(rows) == 0:
        return rows.copy()
    rest = rows[:, [0, 3, 4, 1]]
    order = np.lexsort(rest[:, ::-1].T)
    rows, rest = rows[order], rest[order]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (rest[1:] != rest[:-1]).any(axis=1)
    starts = np.flatnonzero(new)
    made: Array = rows[starts]
    made[:, 2] = np.add.reduceat(rows[:, 2], starts)
    return made
