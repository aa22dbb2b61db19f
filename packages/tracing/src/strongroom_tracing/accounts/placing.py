"""The numbers of rows and chain txs over all chains that are asked together, in the order of time.

One chain's own numbers are those. Several are put together block by block: by the time of the block (no earlier than
the one before it), then by chain, in the order in which they were given.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strongroom_tracing.accounts.chains import Chain
from strongroom_tracing.accounts.columns import Ints


class Placing:
    """Numbers of one kind (rows, or chain txs): ``(chain, its own number)`` to the one over all, and back."""

    def __init__(self, firsts: Sequence[Ints], counts: Sequence[Ints], order: Ints, owner: Ints) -> None:
        """Of each chain the first number of each block and how many it has; the order of all blocks together."""
        self._first = np.concatenate(firsts)[order]
        self._owner = owner[order]
        sizes = np.concatenate(counts)[order]
        self._base = np.cumsum(sizes) - sizes
        at = np.empty(len(order), np.int64)
        at[order] = np.arange(len(order))
        starts = np.cumsum([0, *(len(one) for one in firsts)])
        self._own = [(one, self._base[at[start:][: len(one)]]) for one, start in zip(firsts, starts, strict=False)]

    def over_all(self, chain: int, numbers: Ints) -> Ints:
        """Give the numbers over all of a chain's own."""
        first, base = self._own[chain]
        block = np.searchsorted(first, numbers, "right") - 1
        return np.asarray(base[block] + numbers - first[block], np.int64)

    def own(self, number: int) -> tuple[int, int]:
        """Give the chain of a number, and its own."""
        block = int(np.searchsorted(self._base, number, "right")) - 1
        return int(self._owner[block]), int(self._first[block] + number - self._base[block])


class OneChain:
    """The same for one chain."""

    def over_all(self, chain: int, numbers: Ints) -> Ints:
        """Give the numbers as they are."""
        return numbers + chain

    def own(self, number: int) -> tuple[int, int]:
        """Give it as it is."""
        return 0, number


def placings(chains: Sequence[Chain]) -> tuple[Placing | OneChain, Placing | OneChain]:
    """Give the numbers of rows and of chain txs."""
    if len(chains) == 1:
        return OneChain(), OneChain()
    blocks = [_blocks(chain) for chain in chains]
    owner = np.repeat(np.arange(len(chains)), [len(height) for height, _, _ in blocks])
    height = np.concatenate([height for height, _, _ in blocks])
    times = [
        chain.times[np.searchsorted(chain.heights, height).clip(0, len(chain.heights) - 1)]
        for chain, (height, _, _) in zip(chains, blocks, strict=True)
    ]
    order = np.lexsort((height, owner, np.concatenate(times)))
    rows, txs = (
        Placing(
            [one[n] for one in blocks],
            [np.diff(one[n], append=end[-1]) for one, end in zip(blocks, ends, strict=True)],
            order,
            owner,
        )
        for n, ends in ((1, [chain.row_base for chain in chains]), (2, [chain.tx_base for chain in chains]))
    )
    return rows, txs


def _blocks(chain: Chain) -> tuple[Ints, Ints, Ints]:
    """Give of each block that has rows: its height, first row and first chain tx."""
    found: list[tuple[Ints, Ints, Ints]] = []
    for columns, row, tx in zip(chain.ranges, chain.row_base, chain.tx_base, strict=False):
        heights = columns["tx_block"]
        starts = np.flatnonzero(np.diff(heights, prepend=-1))
        found.append((heights[starts], columns["tx_first"][starts].astype(np.int64) + row, starts + tx))
    height, row_first, tx_first = zip(*found, strict=True) if found else ((), (), ())
    empty = [np.zeros(0, np.int64)]
    # mypy does not count the three that a generator gives
    return tuple(np.concatenate([*empty, *column]) for column in (height, row_first, tx_first))  # type: ignore[return-value]
