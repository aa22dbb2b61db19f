"""The engine beside a slow and obvious reference, on made-up histories."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_tracing.accounts.model import Mark
from strongroom_tracing.accounts.service import trace
from strongroom_tracing.taint.model import Direction, Policy
from tests.unit.tracing.accounts.reference import Reference, paths
from tests.unit.tracing.accounts.support import HISTORIES, Event, History, played, question, text

EXAMPLES = 120


def _payments(events: list[Event]) -> list[Event]:
    return [event for event in events if event.payee]


@pytest.mark.parametrize("policy", list(Policy))
@settings(max_examples=EXAMPLES, deadline=None)
@given(history=HISTORIES, data=st.data())
def test_forward_is_as_the_reference_says(policy: Policy, history: History, data: st.DataObject) -> None:
    index, events = played(history)
    payments = _payments(events)
    picked = data.draw(st.lists(st.sampled_from(payments), min_size=1, max_size=4))
    claims = data.draw(st.lists(st.sampled_from("pqr"), min_size=len(picked), max_size=len(picked)))
    marks = [
        (claim, event.name, data.draw(st.integers(1, event.value))) for claim, event in zip(claims, picked, strict=True)
    ]
    if policy == Policy.POISON:
        marks = list(dict.fromkeys(marks))
    expected = Reference(policy, events, marks)
    answer = trace(index, question(policy, *(Mark(claim, name, amount) for claim, name, amount in marks)))
    assert {(row.address, row.asset, row.claim): row.value for row in answer.held} == {
        (text(who), asset, claim): value for (who, asset, claim), value in expected.held().items()
    }
    assert {(row.address, row.claim, row.transfer): row.value for row in answer.gas} == {
        (text(who), claim, name): value for (who, claim, name), value in expected.gas.items()
    }
    assert {(row.transfer, row.claim): row.value for row in answer.moves} == dict(expected.moved)
    assert {(row.address, row.asset, row.transfer): row.value for row in answer.unknown} == {
        (text(who), asset, name): value for (who, asset, name), value in expected.unknown.items()
    }
    lost: Counter[tuple[str, str, str]] = Counter()
    for row in answer.contested:
        lost[row.transfer, row.claim, row.winner] += row.value
    assert lost == expected.lost
    assert not answer.services
    assert not answer.left


@pytest.mark.parametrize("policy", [Policy.FIFO, Policy.LIFO])
@settings(max_examples=EXAMPLES, deadline=None)
@given(history=HISTORIES, data=st.data())
def test_backward_finds_each_coins_own_way(policy: Policy, history: History, data: st.DataObject) -> None:
    index, events = played(history)
    wanted = data.draw(st.sampled_from(_payments(events)))
    moves, births = paths(policy, events, wanted.name)
    answer = trace(index, question(policy, Mark("p", wanted.name), direction=Direction.BACKWARD))
    assert {row.transfer: row.value for row in answer.moves} == dict(moves)
    found: Counter[tuple[str, str]] = Counter()
    for row in answer.sources:
        found[row.transfer, row.origin] += row.value
    assert found == births


@pytest.mark.parametrize("policy", list(Policy))
@settings(max_examples=60, deadline=None)
@given(history=HISTORIES, data=st.data())
def test_backward_reaches_only_what_forward_leads_on_from(
    policy: Policy, history: History, data: st.DataObject
) -> None:
    index, events = played(history)
    wanted = data.draw(st.sampled_from(_payments(events)))
    back = trace(index, question(policy, Mark("p", wanted.name), direction=Direction.BACKWARD))
    if policy != Policy.POISON:
        assert sum(row.value for row in back.sources) == wanted.value
    for row in back.moves if policy == Policy.POISON else ():
        forward = trace(index, question(policy, Mark("p", row.transfer)))
        assert wanted.name in {move.transfer for move in forward.moves}


@pytest.mark.parametrize("direction", list(Direction))
@settings(max_examples=20, deadline=None)
@given(history=HISTORIES)
def test_the_same_question_has_the_same_answer(direction: Direction, history: History) -> None:
    (index, events), (again, _) = played(history), played(history)
    asked = question(Policy.FIFO, Mark("p", _payments(events)[-1].name), direction=direction)
    assert trace(index, asked) == trace(again, asked)
