"""What a settled slot posts: hot never below nothing, cold as the chain has it, in transit emptied in any case."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from strongroom.outbound.safe import books
from tests.fixtures.devnet import TOKEN, devnet

devnet()  # makes the token known
UNITS = st.integers(0, 1_000)


@given(UNITS, UNITS, UNITS, UNITS, UNITS)
def test_every_slot_can_be_settled_and_suspense_has_the_difference(
    hot: int, drawn: int, paid: int, left: int, swept: int
) -> None:
    change: dict[str, int] = defaultdict(int)
    for leg in books._legs(TOKEN, hot, drawn, paid, left, swept):
        change[leg.source.type] -= leg.amount.base_units
        change[leg.destination.type] += leg.amount.base_units
    assert change["in-transit"] == -paid
    assert -change["chain-cold"] == swept - drawn
    assert hot - change["chain-hot"] >= 0
    assert sum(change.values()) == 0


@given(UNITS, st.integers(1, 1_000), UNITS)
def test_an_honest_slot_has_nothing_in_suspense(hot: int, paid: int, more: int) -> None:
    drawn = max(0, paid - hot) + more
    legs = books._legs(TOKEN, hot, drawn, paid, paid, more)
    assert all("suspense" not in (leg.source.type, leg.destination.type) for leg in legs)


@given(UNITS, UNITS, UNITS, st.integers(0, 1_000), UNITS)
def test_hot_loses_in_the_books_what_it_lost_on_the_chain(
    hot: int, drawn: int, unmoved: int, left: int, swept: int
) -> None:
    hot += left + swept  # the books have all that moves
    change = 0
    for leg in books._legs(TOKEN, hot, drawn, left + unmoved, left, swept):
        change += leg.amount.base_units * ((leg.destination.type == "chain-hot") - (leg.source.type == "chain-hot"))
    assert change == left + swept - drawn
