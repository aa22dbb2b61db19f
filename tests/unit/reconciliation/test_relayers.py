"""How one relayer's balance is explained."""

from __future__ import annotations

from dataclasses import replace

from strongroom.reconciliation import rules
from strongroom.reconciliation.model import DifferenceName, RelayerFacts

FACTS = RelayerFacts(
    "eip155:1",
    "eip155:1/slip44:60",
    b"\x01" * 20,
    7,
    "0x7",
    60,
    nonce=3,
    spent=40,
    lowest_open=3,
    capital=100,
    entries=2,
)


def names(facts: RelayerFacts) -> list[DifferenceName]:
    return [item.name for item in rules.check_relayer(facts)]


def test_paid_in_less_spent_is_the_balance() -> None:
    assert (names(FACTS), FACTS.paid_in) == ([], 0)


def test_more_was_paid_in_since_and_less_is_named() -> None:
    assert (names(replace(FACTS, balance=75)), replace(FACTS, balance=75).paid_in) == ([], 15)
    short = replace(FACTS, balance=59)
    (told,) = rules.check_relayer(short)
    assert (told.name, told.expected, told.found, told.explained) == (DifferenceName.RELAYER_BALANCE, 60, 59, False)
    assert short.paid_in == 0


def test_before_the_first_look_all_that_is_there_was_paid_in() -> None:
    first = replace(FACTS, capital=0, entries=0)
    assert (names(first), first.paid_in) == ([], 100)


def test_a_nonce_whose_cost_is_not_known_yet_makes_the_books_behind() -> None:
    assert names(replace(FACTS, balance=10, lowest_open=2)) == [DifferenceName.BOOKS_BEHIND]
    assert names(replace(FACTS, lowest_open=None)) == []
