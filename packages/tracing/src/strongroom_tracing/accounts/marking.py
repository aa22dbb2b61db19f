"""Laying a claim on money, where the first report wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from strongroom_tracing.accounts.lots import Lot, joined
from strongroom_tracing.taint.model import Policy

Lost = tuple[int, int, int]  # loser, winner, amount


def marked(policy: Policy, lots: Sequence[Lot], claim: int, amount: int) -> tuple[list[Lot], int, list[Lost]]:
    """Mark ``amount`` of a payment's lots for a claim: the lots then, what the claim put in, who lost what to whom.

    Money that is nobody's is marked first, in order; then that of claims reported later, who lose it; for the rest
    the claim comes too late and loses to those before it. What is the claim's already is not marked twice.
    """
    if policy == Policy.POISON:
        known = [lot for lot in lots if lot.source >= 0 and lot.source != claim]
        whole = sum(lot.amount for lot in lots) if not known else known[0].amount
        if any(lot.source == claim for lot in lots):
            return list(lots), 0, []
        return sorted([*known, Lot(claim, max(whole, amount))]), amount, []
    found, left, _ = _relabel(lots, claim, amount, lambda source: source < 0)
    found, after, won = _relabel(found, claim, left, lambda source: source > claim)
    lost = [(loser, claim, value) for loser, value in won]
    own = sum(lot.amount for lot in lots if lot.source == claim)
    after -= min(after, own)
    put = amount - min(left - sum(value for _, value in won), own)
    for lot in lots:
        if 0 <= lot.source < claim and after:
            part = min(after, lot.amount)
            lost.append((claim, lot.source, part))
            after -= part
    return joined(found), put, lost


def _relabel(
    lots: Sequence[Lot], claim: int, amount: int, wanted: Callable[[int], bool]
) -> tuple[list[Lot], int, list[tuple[int, int]]]:
    """Give the claim up to ``amount`` of the wanted sources, in order.

    The lots, what is left to mark, who lost what.
    """
    found: list[Lot] = []
    lost: list[tuple[int, int]] = []
    for lot in lots:
        part = min(amount, lot.amount) if wanted(lot.source) else 0
        if part:
            found.append(Lot(claim, part))
            lost.append((lot.source, part))
            amount -= part
        if part < lot.amount:
            found.append(Lot(lot.source, lot.amount - part))
    return found, amount, lost
