"""Lots: what an address holds of an asset, in pieces that know where they come from. Integers only.

A lot's ``source`` is a number: of a report (from 0, the oldest first) or of an incoming row, or one of the below.
``start`` says which units of the source a lot is, where units have an order; a report's lots have none and stand at 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple

CLEAN: Final = -1  # came in, and no claim is known to it
UNKNOWN: Final = -2  # was paid beyond what is known to have come in, or was there before the index begins
OPENING: Final = -3  # there before the index begins, as the question states (going backward it is told apart)
SHORT: Final = -4  # is paid now, beyond what is known to have come in
_LAST: Final = 1 << 62


class Lot(NamedTuple):
    """``amount`` base units of one source."""

    source: int
    amount: int
    start: int = 0


def total(lots: Iterable[Lot]) -> int:
    """Add up lots."""
    return sum(lot.amount for lot in lots)


def shares(amounts: Sequence[int], taken: int) -> list[int]:
    """Split ``taken`` in proportion to ``amounts``: floor, then one more to each of the largest remainders.

    Equal remainders: the earlier first. The parts add up to ``taken``; none exceeds its amount where ``taken`` does not
    exceed their sum. (Hamilton's method, with the exactness of integers.)
    """
    whole = sum(amounts)
    if whole == 0 or taken == 0:
        return [0] * len(amounts)
    parts = [amount * taken // whole for amount in amounts]
    remainders = [amount * taken % whole for amount in amounts]
    order = sorted(range(len(amounts)), key=lambda n: (-remainders[n], n))
    for n in order[: taken - sum(parts)]:
        parts[n] += 1
    return parts


def scaled(payments: Sequence[Sequence[Lot]], amount: int) -> list[Lot]:
    """Turn the lots of payments into ``amount`` of another asset, in proportion and in the same order.

    Each report is rounded within what the older ones leave, so that none learns of a younger one.
    """
    pieces = [([(number, lot) for number, lots in enumerate(payments) for lot in lots], amount)]
    for report in reports_in(lot for lots in payments for lot in lots):
        pieces = [part for piece, value in pieces for part in _parted(piece, value, report)]
    return [Lot(piece[0][1].source, value) for piece, value in pieces if piece and value]


def _parted(piece: Sequence[tuple[int, Lot]], value: int, report: int) -> Iterable[tuple[list[tuple[int, Lot]], int]]:
    """Cut a piece where a payment ends and where a report's money begins or ends."""
    cut = [list(found) for _, found in groupby(piece, key=lambda one: (one[0], one[1].source == report))]
    return zip(cut, shares([total(lot for _, lot in part) for part in cut], value), strict=True)


def reports_in(lots: Iterable[Lot]) -> list[int]:
    """List the reports that have any of the lots, the oldest first."""
    return sorted({lot.source for lot in lots if lot.source >= 0})


def split(lots: Sequence[Lot], amount: int) -> tuple[list[Lot], list[Lot]]:
    """Cut the first ``amount`` units from lots in their order; the rest keeps its place in its source."""
    front: list[Lot] = []
    for number, lot in enumerate(lots):
        if amount < lot.amount:
            if amount:
                front.append(Lot(lot.source, amount, lot.start))
            rest = Lot(lot.source, lot.amount - amount, lot.start + amount)
            return front, [rest, *lots[number + 1 :]]
        front.append(lot)
        amount -= lot.amount
    return front, []


def joined(lots: Iterable[Lot]) -> list[Lot]:
    """Put neighbours of one report (or none) together."""
    found: list[Lot] = []
    for lot in lots:
        if lot.amount == 0:
            continue
        if found and found[-1].source == lot.source:
            found[-1] = Lot(lot.source, found[-1].amount + lot.amount)
        else:
            found.append(Lot(lot.source, lot.amount))
    return found


def by_source(lots: Iterable[Lot]) -> dict[int, int]:
    """Add up lots by source, in the order in which sources stand everywhere: claims, then what is no claim's."""
    sums: dict[int, int] = {}
    for lot in lots:
        sums[lot.source] = sums.get(lot.source, 0) + lot.amount
    return dict(sorted(sums.items(), key=lambda item: rank(item[0])))


def rank(source: int) -> int:
    """Give the place of a source: claims (or rows) in their order, then clean, unknown, and the rest."""
    return source if source >= 0 else _LAST - source
