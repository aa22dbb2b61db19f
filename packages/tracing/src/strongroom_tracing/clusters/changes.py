"""Which output of a payment is the payer's change: signs with points, never a merge of clusters.

Sources: Androulaki et al., "Evaluating user privacy in Bitcoin", 2013 (shadow addresses); Meiklejohn et al., "A fistful
of bitcoins", 2013 (heuristic 2, with its four conditions); Kalodner et al., "BlockSci", 2020 (address reuse, address
type, optimal change, powers of ten); Kappos et al., "How to peel a million", 2022 (how often each of them errs, and why
they must not merge).

The points are an order for reading, no probability: 90 for a sign that the payer itself wrote down (reuse), less for
habits of wallets. A link's score is the points of its output less those of all its rivals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.clusters.scripts import ScriptKind
from strongroom_tracing.columns import Columns

KindOf = Callable[[int], int]
"""Gives the ``ScriptKind`` of an address by its number."""


class Sign(StrEnum):
    """Why an output looks like change."""

    # It goes back to an address that was spent from (BlockSci).
    REUSE = "address-reuse"
    # Alone of the kind that all inputs have (BlockSci).
    SCRIPT = "script-type"
    # Alone paid for the first time (Androulaki et al.; Meiklejohn et al.).
    FRESH = "fresh-address"
    # Alone smaller than every input: were it larger, one input would have been needless (BlockSci: optimal change).
    UNNECESSARY = "unnecessary-input"
    # All others end in more zeros, by three at least: people pay round sums (BlockSci: powers of ten).
    ROUND = "round-values"


POINTS: Final = {Sign.REUSE: 90, Sign.SCRIPT: 40, Sign.FRESH: 30, Sign.UNNECESSARY: 25, Sign.ROUND: 25}
ROUNDER: Final = 3  # zeros; by chance one payment in a thousand
MOST: Final = 100


@dataclass(frozen=True, slots=True)
class ChangeLink:
    """An output that its payer seems to have kept: ``spender`` is the first address that was spent from."""

    tx: int
    output: int
    address: int
    spender: int
    signs: tuple[Sign, ...]
    score: int  # 1 to 100


@dataclass(frozen=True, slots=True)
class _Payment:
    """What the signs look at: the inputs (values of -1 are unknown) and the outputs that hold money."""

    in_values: list[int]
    in_addresses: list[int]
    outputs: list[int]
    values: list[int]
    addresses: list[int]
    known: int  # addresses below this number were seen before


class ChangeFinder:
    """Finds change on one chain; ``mixing`` (of clusters) leaves CoinJoins out, ``kind_of`` lets scripts count."""

    def __init__(
        self, columns: Columns, *, mixing: npt.NDArray[np.uint8] | None = None, kind_of: KindOf | None = None
    ) -> None:
        """Look once through the outputs (addresses are numbered by first appearance.

        A new one is above all before it).
        """
        self.columns = columns
        self.mixing = mixing
        self._kind_of = kind_of
        self._known = _known_before(columns)

    def links(self, txs: Iterable[int]) -> Iterator[ChangeLink]:
        """Yield the link of each of these chain txs that has one."""
        for tx in txs:
            link = self.link(tx)
            if link is not None:
                yield link

    def link(self, tx: int) -> ChangeLink | None:
        """Give the output of a chain tx that looks most like change, or None.

        No sign, or as much against it as for it.
        """
        payment = self._payment(tx)
        if payment is None:
            return None
        signs = self.signs(payment)
        points = {at: min(sum(POINTS[sign] for sign in found), MOST) for at, found in signs.items()}
        best = max(points, key=lambda at: (points[at], -at), default=None)
        if best is None:
            return None
        score = 2 * points[best] - sum(points.values())
        if score <= 0:
            return None
        address = payment.addresses[best]
        return ChangeLink(tx, payment.outputs[best], address, payment.in_addresses[0], tuple(signs[best]), score)

    def signs(self, payment: _Payment) -> dict[int, list[Sign]]:
        """Give the signs that each output (by its place) has; each sign is given to one output at most."""
        found: dict[int, list[Sign]] = {}
        fitting = {
            Sign.REUSE: [address in payment.in_addresses for address in payment.addresses],
            Sign.SCRIPT: self._of_the_payers_kind(payment),
            Sign.FRESH: _fresh(payment),
            Sign.UNNECESSARY: _below_every_input(payment),
            Sign.ROUND: _less_round(payment.values),
        }
        for sign, fits in fitting.items():
            if sum(fits) == 1:
                found.setdefault(fits.index(True), []).append(sign)
        return found

    def _payment(self, tx: int) -> _Payment | None:
        """Give a chain tx as a payment.

        None for coinbases, CoinJoins, what has fewer than two outputs, or unknown payers.
        """
        columns = self.columns
        spent = columns.input_spent[columns.tx_first_input[tx] : columns.tx_first_input[tx + 1]]
        first, last = int(columns.tx_first_output[tx]), int(columns.tx_first_output[tx + 1])
        outputs = [output for output in range(first, last) if columns.output_value[output] > 0]
        if (self.mixing is not None and self.mixing[tx]) or len(outputs) < 2 or not (spent >= 0).any():  # noqa: PLR2004
            return None
        return _Payment(
            [
                int(columns.output_value[coin]) if coin >= 0 else int(columns.external_value[-2 - coin])
                for coin in spent
            ],
            [int(columns.output_address[coin]) for coin in spent if coin >= 0],
            outputs,
            [int(columns.output_value[output]) for output in outputs],
            [int(columns.output_address[output]) for output in outputs],
            self._known_at(tx),
        )

    def _of_the_payers_kind(self, payment: _Payment) -> list[bool]:
        kind_of = self._kind_of
        if kind_of is None or len(payment.in_addresses) != len(payment.in_values):
            return []
        kinds = {kind_of(address) for address in payment.in_addresses}
        if len(kinds) != 1 or ScriptKind.OTHER in kinds:
            return []
        return [kind_of(address) in kinds for address in payment.addresses]

    def _known_at(self, tx: int) -> int:
        """Count the addresses that were paid before a chain tx."""
        columns = self.columns
        block = columns.block_of_tx(tx)
        first = columns.tx_first_output[columns.block_first_tx[block]]
        in_block = columns.output_address[first : columns.tx_first_output[tx]]
        return max(int(self._known[block]), int(in_block.max(initial=-1)) + 1)


def _fresh(payment: _Payment) -> list[bool]:
    """Say which outputs pay an address for the first time.

    None count where the payer reuses an address (Meiklejohn et al.).
    """
    if set(payment.addresses) & set(payment.in_addresses):
        return []
    return [address >= payment.known for address in payment.addresses]


def _below_every_input(payment: _Payment) -> list[bool]:
    if len(payment.in_values) < 2 or min(payment.in_values) < 0:  # noqa: PLR2004 -- one input is always necessary
        return []
    return [value < min(payment.in_values) for value in payment.values]


def _less_round(values: list[int]) -> list[bool]:
    zeros = [len(str(value)) - len(str(value).rstrip("0")) for value in values]
    return [
        all(other >= mine + ROUNDER for at, other in enumerate(zeros) if at != place)
        for place, mine in enumerate(zeros)
    ]


def _known_before(columns: Columns) -> npt.NDArray[np.int64]:
    """Count, for each block, the addresses that were paid before it."""
    known = np.zeros(columns.blocks + 1, dtype=np.int64)
    firsts = columns.tx_first_output[columns.block_first_tx]
    for block in range(columns.blocks):
        paid = columns.output_address[firsts[block] : firsts[block + 1]]
        known[block + 1] = max(int(known[block]), int(paid.max(initial=-1)) + 1)
    return known
