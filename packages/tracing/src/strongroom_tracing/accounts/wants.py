"""What is wanted of a payment when money is followed backward: units of it, by claim."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from strongroom_tracing.accounts.lots import Lot, shares, split, total
from strongroom_tracing.taint.model import Policy


class Want(NamedTuple):
    """``amount`` units from ``start`` on, for a claim. Without an order of units (haircut, TIHO) all start at 0."""

    claim: int
    start: int
    amount: int


def by_claim(wants: Iterable[Want]) -> dict[int, int]:
    """Add up."""
    sums: dict[int, int] = {}
    for want in wants:
        sums[want.claim] = sums.get(want.claim, 0) + want.amount
    return dict(sorted(sums.items()))


def passed_on(policy: Policy, wants: Sequence[Want], made_of: Sequence[Lot]) -> list[tuple[int, Want]]:
    """Say what is wanted of each source of a payment: [(source, what)]."""
    if policy in (Policy.FIFO, Policy.LIFO):
        return [found for want in wants for found in _overlaps(want, made_of)]
    found = []
    for claim, amount in by_claim(wants).items():
        if policy == Policy.POISON:
            parts = list(made_of)
        elif policy == Policy.HAIRCUT:
            amounts = shares([lot.amount for lot in made_of], amount)
            parts = [Lot(lot.source, part) for lot, part in zip(made_of, amounts, strict=True)]
        else:
            times, rest = divmod(amount, total(made_of))  # more than once where a claim marks what it also led back to
            parts = [Lot(lot.source, lot.amount * times) for lot in made_of] + split(made_of, rest)[0]
        found += [(lot.source, Want(claim, 0, lot.amount)) for lot in parts if lot.amount]
    return found


def _overlaps(want: Want, made_of: Sequence[Lot]) -> list[tuple[int, Want]]:
    found = []
    place = 0
    for lot in made_of:
        first, last = max(place, want.start), min(place + lot.amount, want.start + want.amount)
        if first < last:
            found.append((lot.source, Want(want.claim, lot.start + first - place, last - first)))
        place += lot.amount
    return found


def in_proportion(policy: Policy, wants: Sequence[Want], parts: Sequence[int], whole: int) -> list[list[Want]]:
    """Turn wants of ``whole`` units of what a swap gave into wants of each of the payments that it was paid with.

    In proportion, rounded down once for each claim, so that nothing is wanted that was not paid.
    """
    found: list[list[Want]] = [[] for _ in parts]
    for claim, amount in by_claim(wants).items():
        paid = sum(parts) if policy == Policy.POISON else sum(parts) * amount // whole
        amounts = list(parts) if policy == Policy.POISON else shares(parts, paid)
        for place, part in enumerate(amounts):
            found[place] += portions(claim, part, parts[place])
    return found


def portions(claim: int, amount: int, whole: int) -> list[Want]:
    """Want the first units of ``whole``, more than once where a claim marks what it also led back to."""
    wants = []
    while amount:
        wants.append(Want(claim, 0, min(amount, whole)))
        amount -= wants[-1].amount
    return wants
