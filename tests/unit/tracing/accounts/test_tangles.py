"""Backward, with services, limits, pools and bridges in one question, beside a slow and obvious reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_tracing.accounts.answer import AccountAnswer
from strongroom_tracing.accounts.errors import QuestionError
from strongroom_tracing.accounts.model import Bridge, Limits, Mark, Question
from strongroom_tracing.accounts.service import trace
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.taint.model import Direction, Policy
from tests.unit.tracing.accounts.reference_backward import Asked, BackwardReference
from tests.unit.tracing.accounts.support import (
    ETH,
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

WHO = (*NAMES, "token")
ASSETS = (ETH, TOKEN_ASSET, WETH_ASSET)
_ACTIONS = st.tuples(
    st.sampled_from(("coin", "coin", "token", "token", "weth", "wrap", "unwrap", "mint", "burn")),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.integers(1, 12),
)
_TANGLES = st.lists(
    st.tuples(st.sampled_from((*NAMES, "", "", "issue")), st.lists(_ACTIONS, min_size=1, max_size=6)),
    min_size=1,
    max_size=5,
)


def _in_order(history: History) -> tuple[Transfers, list[Event]]:
    """Play a history; coin stands before tokens in an index, however a chain tx really went."""
    index, events = played(history)
    return index, sorted(events, key=lambda event: index.find(event.name))


def _drawn(data: st.DataObject, events: list[Event]) -> tuple[list[tuple[str, str, int]], Asked]:
    payments = [event for event in events if event.payee]
    marks = []
    for claim in data.draw(st.lists(st.sampled_from("pqr"), min_size=1, max_size=3)):
        event = data.draw(st.sampled_from(payments))
        marks.append((claim, event.name, data.draw(st.just(event.value) | st.integers(1, event.value))))
    asset = st.sampled_from(ASSETS)
    asked = Asked(
        stops=data.draw(st.sets(st.sampled_from(WHO), max_size=1)),
        pools=data.draw(st.sets(st.sampled_from(WHO), max_size=2)),
        bridges=_bridges(data, payments),
        openings=data.draw(st.dictionaries(st.tuples(st.sampled_from(WHO), asset), st.integers(0, 9), max_size=2)),
        hops=data.draw(st.none() | st.integers(0, 3)),
        smallest=data.draw(st.dictionaries(asset, st.integers(0, 6), max_size=2)),
        block=data.draw(st.none() | st.integers(0, 4)),
        transfers=data.draw(st.none() | st.integers(0, 8)),
    )
    return marks, asked


def _bridges(data: st.DataObject, payments: list[Event]) -> dict[str, str]:
    """Draw bridges near to each other, often within one chain tx and around its swaps."""
    found: dict[str, str] = {}
    for place, further in data.draw(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 3)), max_size=3)):
        if place + further < len(payments):
            paid_in, paid_out = payments[place].name, payments[place + further].name
            if paid_in not in found.values():
                found[paid_out] = paid_in
    return found


def _question(policy: Policy, direction: Direction, marks: list[tuple[str, str, int]], asked: Asked) -> Question:
    return question(
        policy,
        *(Mark(*mark) for mark in marks),
        direction=direction,
        stops={text(name): name for name in asked.stops},
        pools={text(name): name for name in asked.pools},
        bridges=tuple(Bridge(paid, out, "drawn", 1) for out, paid in asked.bridges.items()),
        openings={(text(who), asset): amount for (who, asset), amount in asked.openings.items()},
        limits=Limits(asked.hops, asked.smallest, asked.block, asked.transfers),
    )


def _check(
    policy: Policy, index: Transfers, events: list[Event], marks: list[tuple[str, str, int]], asked: Asked
) -> None:
    expected = BackwardReference(policy, events, marks, asked)
    answer = trace(index, _question(policy, Direction.BACKWARD, marks, asked))
    assert Counter({(row.transfer, row.claim): row.value for row in answer.moves}) == expected.moves
    assert _summed(answer, "sources", "origin") == _named(expected.sources)
    assert _summed(answer, "left", "reason") == _named(expected.left)
    assert _summed(answer, "services") == _named(expected.services)
    assert {
        (row.transfer, row.kind, row.address, row.asset_in, row.asset_out, row.claim): (row.paid, row.got)
        for row in answer.converted
    } == {(name, kind, _text(who), *assets): legs for (name, kind, who, *assets), legs in expected.converted.items()}


def _summed(answer: AccountAnswer, rows: str, *more: str) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for row in getattr(answer, rows):
        found[tuple(getattr(row, name) for name in ("address", "asset", "claim", "transfer", *more))] += row.value
    return found


def _named(rows: Mapping[Any, int]) -> Counter[tuple[str, ...]]:
    return Counter({(_text(who), *rest): value for (who, *rest), value in rows.items()})


def _text(who: str) -> str:
    return text(who) if who not in ("", "zero") else "0x" + "00" * 20 if who else ""


@pytest.mark.parametrize("policy", list(Policy))
@settings(max_examples=60, deadline=None)
@given(history=_TANGLES, data=st.data())
def test_backward_through_services_limits_pools_and_bridges_is_as_the_reference_says(
    policy: Policy, history: History, data: st.DataObject
) -> None:
    index, events = _in_order(history)
    if any(event.payee for event in events):
        _check(policy, index, events, *_drawn(data, events))


EVERY_WAY = [(policy, direction) for policy in Policy for direction in Direction]
POOL = {text("pool"): "Pool"}


@pytest.mark.parametrize(("policy", "direction"), EVERY_WAY)
def test_what_a_bridge_pays_waits_for_what_a_pool_pays_into_it_before_the_pool_is_paid(
    policy: Policy, direction: Direction
) -> None:
    """The smallest question that was refused as not conserved: the three payments are one chain tx."""
    ledger = Ledger()
    ledger.tx()
    into = ledger.coin("pool", "gate", 12)  # and the pool is paid for it further down
    out = ledger.coin("relay", "mule", 10)
    paid = ledger.token("thief", "pool", 6)
    mark = paid if direction is Direction.FORWARD else out
    bridge = Bridge(into, out, "one call", 90)
    answer = trace(
        ledger.index(), question(policy, Mark("p", mark), direction=direction, pools=POOL, bridges=(bridge,))
    )
    assert [(row.kind, row.paid, row.got) for row in answer.converted] == [("swap", 6, 12), ("bridge", 12, 10)]
    ends = answer.held if direction is Direction.FORWARD else answer.sources
    assert [(row.address, row.value) for row in ends] == (
        [(text("mule"), 10)] if direction is Direction.FORWARD else [(text("thief"), 6)]
    )
    assert not answer.left


@pytest.mark.parametrize(("policy", "direction"), EVERY_WAY)
def test_where_a_bridge_and_a_pool_wait_for_each_other_the_swap_is_not_followed(
    policy: Policy, direction: Direction
) -> None:
    """The pool pays into the bridge, and is paid by it for that."""
    ledger = Ledger()
    ledger.tx()
    into = ledger.coin("pool", "gate", 12)
    out = ledger.token("relay", "pool", 6)
    mark = into if direction is Direction.FORWARD else out
    bridge = Bridge(into, out, "one call", 90)
    answer = trace(
        ledger.index(), question(policy, Mark("p", mark), direction=direction, pools=POOL, bridges=(bridge,))
    )
    assert [(row.kind, row.paid, row.got) for row in answer.converted] == [("bridge", 12, 6)]
    assert [(row.service, row.value) for row in answer.services] == [
        ("Pool", 6 if direction is Direction.FORWARD else 12)
    ]


@pytest.mark.parametrize(("policy", "direction"), EVERY_WAY)
def test_a_bridge_that_makes_the_tokens_it_pays_is_crossed_both_ways(policy: Policy, direction: Direction) -> None:
    ledger = Ledger()
    ledger.tx()
    into = ledger.coin("thief", "gate", 100)
    ledger.tx()
    out = ledger.token("", "mule", 99)
    asked = question(
        policy,
        Mark("p", into if direction is Direction.FORWARD else out),
        direction=direction,
        bridges=(Bridge(into, out, "the bridge's own events", 95),),
    )
    answer = trace(ledger.index(), asked)
    assert [(row.kind, row.paid, row.got) for row in answer.converted] == [("bridge", 100, 99)]
    assert [(row.address, row.origin) for row in answer.sources] == (
        [] if direction is Direction.FORWARD else [(text("thief"), "unknown")]
    )


@pytest.mark.parametrize("policy", list(Policy))
def test_backward_what_crossed_a_bridge_is_no_part_of_what_its_address_paid_otherwise(policy: Policy) -> None:
    ledger = Ledger()
    ledger.tx()
    into = ledger.coin("thief", "gate", 100)
    own = ledger.coin("owner", "gate", 10)
    ledger.tx()
    out = ledger.coin("gate", "mule", 99)
    paid = ledger.coin("gate", "shop", 10)
    bridge = Bridge(into, out, "seen", 90)
    asked = question(policy, Mark("p", paid), direction=Direction.BACKWARD, bridges=(bridge,))
    answer = trace(ledger.index(), asked)
    assert [row.transfer for row in answer.moves] == [own, paid]
    assert [(row.address, row.value) for row in answer.sources] == [(text("owner"), 10)]


def test_backward_a_limit_by_block_ends_at_a_bridge_too() -> None:
    ledger = Ledger()
    ledger.tx()
    into = ledger.coin("thief", "gate", 100)
    ledger.tx()
    out = ledger.coin("relay", "mule", 99)
    bridge = Bridge(into, out, "seen", 90)
    limits = Limits(block=2)
    asked = question(Policy.FIFO, Mark("p", out), direction=Direction.BACKWARD, bridges=(bridge,), limits=limits)
    answer = trace(ledger.index(), asked)
    assert [(row.address, row.transfer, row.reason, row.value) for row in answer.left] == [
        (text("relay"), into, "block-limit", 99)
    ]
    assert not answer.converted


@pytest.mark.parametrize("policy", [Policy.FIFO, Policy.LIFO])
def test_backward_what_a_pool_gave_back_is_the_last_that_came_unit_by_unit(policy: Policy) -> None:
    ledger = Ledger()
    ledger.issue("thief", 40)
    ledger.tx()
    ledger.coin("victim", "thief", 20)
    ledger.tx()
    ledger.coin("friend", "pool", 5)
    ledger.coin("thief", "pool", 60)
    back = ledger.coin("pool", "thief", 20)
    ledger.token("pool", "thief", 7)
    asked = question(policy, Mark("p", back), direction=Direction.BACKWARD, pools=POOL)
    (source,) = trace(ledger.index(), asked).sources
    assert (source.address, source.value) == (text("victim"), 20)


def test_backward_by_poison_a_part_of_a_payment_is_the_whole_of_it() -> None:
    ledger = Ledger()
    ledger.tx()
    ledger.coin("victim", "thief", 100)
    ledger.tx()
    paid = ledger.coin("thief", "mule", 60)
    for amount in (1, 60):
        asked = question(Policy.POISON, Mark("p", paid, amount), direction=Direction.BACKWARD)
        assert [row.value for row in trace(ledger.index(), asked).moves] == [100, 60]


@pytest.mark.parametrize(("policy", "direction"), EVERY_WAY)
def test_who_only_emits_an_exchanges_event_makes_and_destroys_tokens_as_anybody_does(
    policy: Policy, direction: Direction
) -> None:
    ledger = Ledger()
    ledger.tx()
    ledger.swap_event("token")
    made = ledger.token("", "thief", 50)
    gone = ledger.token("thief", "", 50)
    forward = direction is Direction.FORWARD
    mark = Mark("p", made if forward else gone)
    answer = trace(ledger.index(), question(policy, mark, direction=direction, swap_events=True))
    assert [(row.address, row.value) for row in answer.held] == ([("0x" + "00" * 20, 50)] if forward else [])
    assert [row.origin for row in answer.sources] == ([] if forward else ["issued"])


def test_what_is_spent_on_gas_crosses_no_bridge() -> None:
    ledger = Ledger()
    ledger.tx()
    gas = ledger.gas("thief", 5)
    out = ledger.coin("relay", "mule", 5)
    with pytest.raises(QuestionError, match="is no pair"):
        trace(ledger.index(), question(Policy.FIFO, Mark("p", out), bridges=(Bridge(gas, out, "seen", 90),)))
