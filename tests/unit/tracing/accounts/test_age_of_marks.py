"""A mark is as old as itself: what a claim marks later wins nothing by what the claim marked first (decision 0117)."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_tracing.accounts.answer import AccountAnswer
from strongroom_tracing.accounts.errors import QuestionError
from strongroom_tracing.accounts.model import Bridge, Limits, Mark, Question
from strongroom_tracing.accounts.service import trace
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.taint.model import Direction, Policy
from tests.unit.tracing.accounts.support import (
    ETH,
    HISTORIES,
    NAMES,
    TOKEN_ASSET,
    WETH_ASSET,
    Event,
    History,
    Ledger,
    played,
    question,
    text,
)

WITH_AGES = [policy for policy in Policy if policy is not Policy.POISON]
IN_ORDER = (Policy.FIFO, Policy.LIFO)
EVERY_WAY = [(policy, direction) for policy in Policy for direction in Direction]
ROWS = ("held", "services", "gas", "left", "sources", "moves", "converted")


def _held(answer: AccountAnswer) -> dict[tuple[str, str], int]:
    return {(row.address, row.claim): row.value for row in answer.held}


def _contested(answer: AccountAnswer) -> dict[tuple[str, str, str], int]:
    return {(row.transfer, row.claim, row.winner): row.value for row in answer.contested}


def _thefts() -> tuple[Transfers, str, str, str]:
    """Give an index, and the names of dust of the squatter's own, a theft of 100, and what of it went on, 60."""
    ledger = Ledger()
    ledger.tx()
    dust = ledger.coin("squatter", "nobody", 1)
    ledger.tx()
    stolen = ledger.coin("victim", "thief", 100)
    ledger.tx()
    onward = ledger.coin("thief", "mule", 60)
    return ledger.index(), dust, stolen, onward


@pytest.mark.parametrize("policy", WITH_AGES)
def test_whoever_marked_something_else_first_does_not_win_what_another_marked_before_him(policy: Policy) -> None:
    index, dust, stolen, onward = _thefts()
    for squatted in (stolen, onward):
        marks = (Mark("squatter", dust), Mark("victim", stolen), Mark("squatter", squatted))
        answer = trace(index, question(policy, *marks))
        assert _held(answer) == {
            (text("nobody"), "squatter"): 1,
            (text("thief"), "victim"): 40,
            (text("mule"), "victim"): 60,
        }
        value = 100 if squatted == stolen else 60
        assert _contested(answer) == {(squatted, "squatter", "victim"): value}


@pytest.mark.parametrize("policy", WITH_AGES)
def test_an_older_mark_on_money_of_the_claims_younger_one_makes_it_as_old(policy: Policy) -> None:
    index, _, stolen, onward = _thefts()
    answer = trace(index, question(policy, Mark("a", onward), Mark("b", onward), Mark("a", stolen)))
    assert _held(answer) == {(text("thief"), "a"): 40, (text("mule"), "a"): 60}
    assert _contested(answer) == {(onward, "b", "a"): 60}
    assert [(row.claim, row.value) for row in answer.marked] == [("a", 100), ("b", 60)]  # the 60 of a's count once


@pytest.mark.parametrize("policy", WITH_AGES)
def test_where_units_have_no_places_a_younger_report_gives_way_to_what_is_nobodys(policy: Policy) -> None:
    """In order an older mark has the first units, whoever younger has them; else there is room for both."""
    index, dust, stolen, onward = _thefts()
    marks = (Mark("a", dust), Mark("b", onward, 30), Mark("a", stolen, 50))
    answer = trace(index, question(policy, *marks))
    mule = {claim: value for (who, claim), value in _held(answer).items() if who == text("mule")}
    had = {Policy.FIFO: 50, Policy.LIFO: 10, Policy.HAIRCUT: 30, Policy.TIHO: 50}[policy]  # of a's in the 60
    lost = min(had, 30) if policy in IN_ORDER else max(had + 30 - 60, 0)
    assert mule == {claim: value for claim, value in (("a", had - lost), ("b", 30)) if value}
    assert _contested(answer) == ({(onward, "a", "b"): lost} if lost else {})


@pytest.mark.parametrize(("policy", "direction"), EVERY_WAY)
def test_how_far_a_claim_is_followed_is_counted_from_its_own_marks(policy: Policy, direction: Direction) -> None:
    ledger = Ledger()
    made = []
    for payer, payee in zip(("v", *NAMES), (*NAMES, "end"), strict=True):
        ledger.tx()
        made.append(ledger.coin(payer, payee, 10))
    first, second = (made[0], made[2]) if direction is Direction.FORWARD else (made[4], made[2])
    index, limits = ledger.index(), Limits(hops=2)
    alone = trace(index, question(policy, Mark("a", first), direction=direction, limits=limits))
    both = trace(index, question(policy, Mark("a", first), Mark("b", second, 5), direction=direction, limits=limits))
    assert [row for row in both.left if row.claim == "a"] == list(alone.left)
    assert alone.left


def _drawn(data: st.DataObject, events: list[Event], policy: Policy, direction: Direction) -> Question:
    payments = [event for event in events if event.payee]
    marks = [_mark(data, payments) for _ in range(data.draw(st.integers(1, 4)))]
    asset = st.sampled_from((ETH, TOKEN_ASSET, WETH_ASSET))
    limits = Limits(
        hops=data.draw(st.none() | st.integers(0, 3)),
        smallest=data.draw(st.dictionaries(asset, st.integers(0, 6), max_size=2)),
        transfers=data.draw(st.none() | st.integers(0, 6)),
    )
    who = st.sampled_from(NAMES)
    stops = {text(name): name for name in data.draw(st.sets(who, max_size=1))}
    pools = {text(name): name for name in data.draw(st.sets(who, max_size=2))}
    bridges = () if pools or len(payments) < 2 else (_bridge(data, payments),)
    opening = data.draw(st.dictionaries(st.tuples(who.map(text), asset), st.integers(0, 9), max_size=2))
    return question(
        policy, *marks, direction=direction, limits=limits, stops=stops, pools=pools, bridges=bridges, openings=opening
    )


def _bridge(data: st.DataObject, payments: list[Event]) -> Bridge:
    places = data.draw(st.lists(st.integers(0, len(payments) - 1), min_size=2, max_size=2, unique=True))
    paid_in, paid_out = (payments[place].name for place in sorted(places))
    return Bridge(paid_in, paid_out, evidence="drawn", confidence=1)


def _mark(data: st.DataObject, payments: list[Event], claims: str = "pqr") -> Mark:
    event = data.draw(st.sampled_from(payments))
    return Mark(data.draw(st.sampled_from(claims)), event.name, data.draw(st.none() | st.integers(1, event.value)))


@pytest.mark.parametrize(("policy", "direction"), EVERY_WAY)
@settings(max_examples=60, deadline=None)
@given(history=HISTORIES, data=st.data())
def test_a_further_mark_changes_nothing_of_what_other_claims_have(
    policy: Policy, direction: Direction, history: History, data: st.DataObject
) -> None:
    index, events = played(history)
    asked = _drawn(data, events, policy, direction)
    further = _mark(data, [event for event in events if event.payee], "pqrz")
    try:
        before = trace(index, asked)
    except QuestionError:  # the drawn bridge is none
        return
    after = trace(index, dataclasses.replace(asked, marks=(*asked.marks, further)))
    for claim in set(before.claims) - {further.claim}:
        for rows in ROWS:
            had, has = ([row for row in getattr(answer, rows) if row.claim == claim] for answer in (before, after))
            assert had == has, rows


@pytest.mark.parametrize("direction", list(Direction))
def test_what_a_pool_pays_straight_into_a_bridge_is_followed_through_both(direction: Direction) -> None:
    ledger = Ledger()
    ledger.tx()
    stolen = ledger.coin("victim", "thief", 100)
    ledger.tx()
    ledger.coin("thief", "pool", 100)
    paid_in = ledger.token("pool", "bridge", 50)
    ledger.tx()
    paid_out = ledger.token("relay", "mule", 49)
    mark = Mark("p", stolen if direction is Direction.FORWARD else paid_out)
    bridges = (Bridge(paid_in, paid_out, "seen", 90),)
    asked = question(Policy.FIFO, mark, direction=direction, pools={text("pool"): "Pool"}, bridges=bridges)
    answer = trace(ledger.index(), asked)
    assert [(row.kind, row.paid, row.got) for row in answer.converted] == [("swap", 100, 50), ("bridge", 50, 49)]
    ends = answer.held if direction is Direction.FORWARD else answer.sources
    assert [row.value for row in ends] == [49 if direction is Direction.FORWARD else 100]
