"""Peeling chains: one coin is carried from payment to payment, and a little is peeled off at each.

Source: Meiklejohn et al., "A fistful of bitcoins", 2013, section 5 (one input, two outputs; the change is followed);
Kappos et al., "How to peel a million", 2022 (follow the change by its signs, stop where the shape changes).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from strongroom_tracing.clusters.changes import ChangeFinder, Sign

LEAST: Final = 3  # hops; two payments in a row are every wallet's life
MOST: Final = 10_000
PARTS: Final = 2


class Ended(StrEnum):
    """Where a chain ends."""

    UNSPENT = "unspent"  # what is left lies there
    OTHER_SHAPE = "other-shape"  # what is left was spent, but not by one more peel
    HOP_LIMIT = "hop-limit"


@dataclass(frozen=True, slots=True)
class Hop:
    """One peel: the output that went away, the one that is carried on, and how they were told apart."""

    tx: int
    peeled: int
    peeled_value: int
    carried: int
    carried_value: int
    signs: tuple[Sign, ...]  # none: the larger one is carried


@dataclass(frozen=True, slots=True)
class PeelingChain:
    """A chain from its first peel on.

    ``start`` is the coin that the first peel spends, ``end`` the last carried output.
    """

    start: int
    hops: tuple[Hop, ...]
    end: int
    ended: Ended
    ended_in: int  # the chain tx that spends the end, or -1

    @property
    def peeled(self) -> int:
        """What was peeled off in all, base units."""
        return sum(hop.peeled_value for hop in self.hops)


def chain_through(finder: ChangeFinder, tx: int, *, least: int = LEAST, most: int = MOST) -> PeelingChain | None:
    """Give the peeling chain that a chain tx is a hop of.

    None if it is no peel, or the chain has fewer hops than ``least``.
    """
    hop = _hop(finder, tx)
    if hop is None:
        return None
    for _ in range(most):
        before = _hop_before(finder, hop)
        if before is None:
            break
        hop = before
    return _followed(finder, hop, least, most)


def chains_between(finder: ChangeFinder, first: int, last: int, *, least: int = LEAST) -> Iterator[PeelingChain]:
    """Yield the peeling chains that start in the chain txs of ``[first, last)``, in chain order."""
    columns = finder.columns
    ins = np.diff(columns.tx_first_input[first : last + 1])
    outs = np.diff(columns.tx_first_output[first : last + 1])
    for tx in np.flatnonzero((ins == 1) & (outs == PARTS)) + first:
        hop = _hop(finder, int(tx))
        if hop is not None and _hop_before(finder, hop) is None:
            chain = _followed(finder, hop, least, MOST)
            if chain is not None:
                yield chain


def _followed(finder: ChangeFinder, hop: Hop, least: int, most: int) -> PeelingChain | None:
    hops = [hop]
    columns = finder.columns
    start = int(columns.input_spent[columns.tx_first_input[hop.tx]])
    ended = Ended.HOP_LIMIT
    while len(hops) < most:
        spending = int(columns.output_spending[hops[-1].carried])
        if spending < 0:
            ended = Ended.UNSPENT
            break
        following = _hop(finder, spending)
        if following is None:
            ended = Ended.OTHER_SHAPE
            break
        hops.append(following)
    end = hops[-1].carried
    return (
        PeelingChain(start, tuple(hops), end, ended, int(columns.output_spending[end])) if len(hops) >= least else None
    )


def _hop_before(finder: ChangeFinder, hop: Hop) -> Hop | None:
    """Give the hop whose carried output this one spends."""
    columns = finder.columns
    spent = int(columns.input_spent[columns.tx_first_input[hop.tx]])
    before = _hop(finder, columns.tx_of_output(spent))
    return before if before is not None and before.carried == spent else None


def _hop(finder: ChangeFinder, tx: int) -> Hop | None:
    """Take a chain tx for a peel: one coin in, two out, no CoinJoin.

    Its change, or else the larger output, is carried on.
    """
    columns = finder.columns
    first_in, first = int(columns.tx_first_input[tx]), int(columns.tx_first_output[tx])
    if columns.tx_first_input[tx + 1] - first_in != 1 or columns.tx_first_output[tx + 1] - first != PARTS:
        return None
    if columns.input_spent[first_in] < 0 or (finder.mixing is not None and finder.mixing[tx]):
        return None
    values = [int(columns.output_value[first]), int(columns.output_value[first + 1])]
    if min(values) == 0:  # data, no payment
        return None
    link = finder.link(tx)
    carried = link.output - first if link is not None else values.index(max(values))
    peeled = 1 - carried
    signs = link.signs if link is not None else ()
    return Hop(tx, first + peeled, values[peeled], first + carried, values[carried], signs)
