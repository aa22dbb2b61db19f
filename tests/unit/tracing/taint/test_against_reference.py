"""Taint is what a slow and obvious reckoning of the whole chain says it is, row for row."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import astuple, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_tracing.columns import Columns
from strongroom_tracing.taint.model import Direction, Fees, Mark, Policy, Question
from strongroom_tracing.taint.service import trace
from tests.unit.tracing.taint import chains
from tests.unit.tracing.taint.reference import Reference

ALL = list(itertools.product(Policy, Fees, Direction))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), asked=st.sampled_from(ALL))
def test_a_drawn_chain_is_traced_as_the_reference_does(
    data: st.DataObject, asked: tuple[Policy, Fees, Direction]
) -> None:
    def pick(first: int, last: int) -> int:
        return data.draw(st.integers(first, last))

    columns = chains.columns(pick, blocks=5, txs=3)
    _agree(columns, chains.question(pick, columns, *asked))


@pytest.mark.parametrize(("policy", "fees", "direction"), ALL)
def test_longer_chains_are_traced_as_the_reference_does(policy: Policy, fees: Fees, direction: Direction) -> None:
    pick = random.Random(f"{policy} {fees} {direction}").randint
    for _ in range(25):
        columns = chains.columns(pick, blocks=12, txs=6)
        _agree(columns, chains.question(pick, columns, policy, fees, direction))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), asked=st.sampled_from(ALL))
def test_a_further_mark_changes_nothing_of_what_other_claims_have(
    data: st.DataObject, asked: tuple[Policy, Fees, Direction]
) -> None:
    def pick(first: int, last: int) -> int:
        return data.draw(st.integers(first, last))

    columns = chains.columns(pick, blocks=5, txs=3)
    drawn = chains.question(pick, columns, *asked)
    question = replace(drawn, limits=replace(drawn.limits, smallest=0, hops=None))
    _further(columns, question, Mark("ABCZ"[pick(0, 3)], pick(0, columns.outputs - 1)))


@pytest.mark.parametrize(("policy", "fees", "direction"), ALL)
def test_a_further_mark_changes_nothing_in_longer_chains(policy: Policy, fees: Fees, direction: Direction) -> None:
    pick = random.Random(f"further {policy} {fees} {direction}").randint
    for _ in range(150):
        columns = chains.columns(pick, blocks=12, txs=6)
        drawn = chains.question(pick, columns, policy, fees, direction)
        question = replace(drawn, limits=replace(drawn.limits, smallest=0, hops=None))
        _further(columns, question, Mark("ABCZ"[pick(0, 3)], pick(0, columns.outputs - 1)))


def _further(columns: Columns, question: Question, mark: Mark) -> None:
    """Whoever may add marks to a case can take nothing from those who marked before.

    But for limits that a mark moves: ``smallest`` is of all claims together, and hops are counted from it.
    """
    before = trace(columns, question)
    after = trace(columns, replace(question, marks=(*question.marks, mark)))
    for claim in set(before.claims) - {mark.claim}:
        for rows in ("held", "services", "fees", "left", "origins", "moves"):
            had, has = ([row for row in getattr(answer, rows) if row.claim == claim] for answer in (before, after))
            assert had == has


def _agree(columns: Columns, question: Question) -> None:
    answer, reference = trace(columns, question), Reference(columns, question)
    assert _rows(answer.held) == +reference.held
    assert _rows(answer.services, 3) == +reference.services
    assert _rows(answer.fees) == +reference.fees
    assert _rows(answer.left) == +reference.left
    assert _rows(answer.contested) == +reference.contested
    assert _rows(answer.origins, 3) == +reference.origins
    assert sorted(astuple(row) for row in answer.marked) == sorted(reference.marked)
    assert sorted((row.tx, row.value, row.inputs) for row in answer.assumed) == sorted(reference.assumed)
    assert answer.visited_txs == reference.visited
    if question.policy in {Policy.FIFO, Policy.LIFO, Policy.TIHO}:
        assert Counter({(m.tx, m.source, m.sink, m.claim): m.value for m in answer.moves}) == reference.moves
    assert list(answer.moves) == sorted(set(answer.moves))
    columns_of_moves = zip(*(list(map(_plain, column)) for column in answer.move_columns()), strict=True)
    assert [(m.tx, m.source, m.sink, m.claim, m.value) for m in answer.moves] == list(columns_of_moves)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else int(value)


def _rows(rows: tuple[Any, ...], value: int = 2) -> Counter[Any]:
    """Give rows as a counter of their values by all the rest; no two may be alike in that."""
    made: Counter[Any] = Counter()
    for row in rows:
        fields = list(astuple(row))
        amount = fields.pop(value)
        assert tuple(fields) not in made
        made[tuple(fields)] = amount
    return made
