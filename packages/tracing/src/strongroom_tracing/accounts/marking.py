"""Laying a mark on money, where the first report wins (decision 0117)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from strongroom_tracing.accounts.lots import Lot, joined
from strongroom_tracing.taint.model import Policy

Lost = tuple[int, int, int]  # the reports that lose and win, amount

_IN_ORDER: Final = (Policy.FIFO, Policy.LIFO)  # units have places, which an older report does not give way in


def marked(
    policy: Policy, lots: Sequence[Lot], report: int, amount: int, claim_of: Sequence[int]
) -> tuple[list[Lot], int, list[Lost]]:
    """Mark ``amount`` of a payment's lots for a report: the lots then, what its claim put in, who lost what to whom.

    ``claim_of``: each report's claim; reports of one claim never lose to each other. What is nobody's and what younger
    reports have is marked first, in order, as if the younger were not there. Where units have no places they go to what
    is nobody's, and only what finds no room is lost; what the claim's own younger ones lose is its money all the same.
    What the claim's older ones have is not marked twice; for the rest the mark comes too late and loses.
    """
    if policy == Policy.POISON:
        return _poisoned(lots, report, amount)
    found, gone, over = _laid(lots, report, amount)
    if policy not in _IN_ORDER:
        found, gone = _moved(found, gone)
    ours = [one for one, claim in enumerate(claim_of) if claim == claim_of[report]]
    lost = [(loser, report, value) for loser, value in sorted(gone.items()) if loser not in ours]
    again = min(over, sum(lot.amount for lot in lots if lot.source in ours and lot.source <= report))
    late = over - again
    for lot in lots:
        if 0 <= lot.source < report and lot.source not in ours and late:
            lost.append((report, lot.source, min(late, lot.amount)))
            late -= min(late, lot.amount)
    return joined(found), amount - again - sum(gone[one] for one in ours), lost


def _poisoned(lots: Sequence[Lot], report: int, amount: int) -> tuple[list[Lot], int, list[Lost]]:
    """Every claim has all; here each has one report only."""
    known = [lot for lot in lots if lot.source >= 0 and lot.source != report]
    if any(lot.source == report for lot in lots):
        return list(lots), 0, []
    whole = known[0].amount if known else sum(lot.amount for lot in lots)
    return sorted([*known, Lot(report, max(whole, amount))]), amount, []


def _laid(lots: Sequence[Lot], report: int, amount: int) -> tuple[list[Lot], Counter[int], int]:
    """Give a report the first units that are nobody's or of younger reports.

    The lots, what younger reports had of them, how much found no room.
    """
    found: list[Lot] = []
    gone: Counter[int] = Counter()
    for lot in lots:
        part = min(amount, lot.amount) if lot.source < 0 or lot.source > report else 0
        if lot.source > report:
            gone[lot.source] += part
        found += [Lot(report, part), Lot(lot.source, lot.amount - part)]
        amount -= part
    return joined(found), gone, amount


def _moved(lots: Sequence[Lot], gone: Counter[int]) -> tuple[list[Lot], Counter[int]]:
    """Let reports that had to give way take what is nobody's, the oldest first; what finds no room is gone."""
    found, waiting, lost = list(lots), +gone, Counter[int]()
    while waiting:
        oldest = min(waiting)
        found, more, lost[oldest] = _laid(found, oldest, waiting.pop(oldest))
        waiting += more
    return found, +lost
