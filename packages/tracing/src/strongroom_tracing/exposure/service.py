"""The door of exposure: what one output touches, directly and by hops backward.

Backward haircut (Möser, Böhme and Breuker, "Towards risk scoring of Bitcoin transactions", 2014, turned round): the
value of a chain tx's outputs comes from its inputs in proportion to their values; whole base units, rounded by largest
remainder (ties: the first input). Money is followed back hop by hop until something marked or tagged, the coinbase, or
the beginning of the index. Shares that meet in one chain tx at the same hop are one share. What is marked or tagged is
not looked behind: a service's coins are no longer its customer's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.clusters.model import Mixing
from strongroom_tracing.columns import COINBASE, Columns
from strongroom_tracing.exposure.errors import UnknownOutputNumberError
from strongroom_tracing.exposure.model import Beyond, By, Exposure, Limits, Mixed, Touch
from strongroom_tracing.exposure.suspects import Suspects

_Numbers = npt.NDArray[np.int64]
_EVERY_LIMIT: Final = tuple(Beyond)


def exposure(columns: Columns, suspects: Suspects, output: int, limits: Limits | None = None) -> Exposure:
    """Give what an output touches; ``UnknownOutputNumberError`` for a number that the chain does not have."""
    if not 0 <= output < columns.outputs:
        message = f"There is no output number {output}; this chain has {columns.outputs} (0 is the first)."
        raise UnknownOutputNumberError(message)
    search = _Search(columns, suspects, limits or Limits())
    value = int(columns.output_value[output])
    search.follow(columns.tx_of_output(output), value)
    return Exposure(
        output=output,
        value=value,
        direct=tuple(_direct(columns, suspects, output, value)),
        indirect=tuple(search.touches()),
        mined=search.mined,
        before_index=search.before,
        beyond=tuple((reason, search.beyond[reason]) for reason in _EVERY_LIMIT if search.beyond[reason]),
        mixed=tuple(Mixed(hop, Mixing(kind), share) for (hop, kind), share in sorted(search.mixed.items())),
        limits=search.limits,
        visited_txs=search.txs,
        visited_inputs=search.inputs,
    )


def split(value: int, parts: Sequence[int]) -> list[int]:
    """Share a value in proportion to parts, exactly.

    Floor, then one unit each to the largest remainders (ties: the first). Of parts that are all zero the first gets
    everything: no chain makes money of nothing, and nothing may be lost.
    """
    total = sum(parts)
    if not total:
        return [value, *[0] * (len(parts) - 1)]
    shares, remainders = map(list, zip(*(divmod(value * part, total) for part in parts), strict=True))
    left = value - sum(shares)
    if left:
        for at in sorted(range(len(parts)), key=lambda at: -remainders[at])[:left]:
            shares[at] += 1
    return shares


def _direct(columns: Columns, suspects: Suspects, output: int, value: int) -> Iterator[Touch]:
    """Give all that the output itself touches: being marked does not hide a tag."""
    address = np.array([columns.output_address[output]])
    numbers = {By.MARK: output, By.ADDRESS: int(address[0]), By.CLUSTER: int(suspects.clusters_of(address)[0])}
    for by, hits in suspects.touched(np.array([output]), address).items():
        if hits[0]:
            yield Touch(0, by, numbers[by], suspects.labels[by, numbers[by]], value)


@dataclass(slots=True)
class _Search:
    """One search back, hop by hop, and what it has found so far."""

    columns: Columns
    suspects: Suspects
    limits: Limits
    txs: int = 0
    inputs: int = 0
    mined: int = 0
    before: int = 0
    beyond: dict[Beyond, int] = field(default_factory=lambda: dict.fromkeys(Beyond, 0))
    mixed: dict[tuple[int, int], int] = field(default_factory=dict)
    found: dict[tuple[int, By, int], int] = field(default_factory=dict)

    def follow(self, tx: int, value: int) -> None:
        """Follow the value of outputs of a chain tx back to where the limits end it."""
        front = self._worth_it(np.array([tx], dtype=np.int64), [value])
        for hop in range(1, self.limits.hops + 1):
            if not front:
                return
            chosen = self._within_budget(front)
            front = self._worth_it(*self._back(hop, chosen)) if chosen else []
        self.beyond[Beyond.HOP_LIMIT] += sum(value for value, _ in front)

    def touches(self) -> Iterator[Touch]:
        """Give what was found, nearest first."""
        order = list(By)
        for (hop, by, number), value in sorted(
            self.found.items(), key=lambda item: (item[0][0], order.index(item[0][1]), item[0][2])
        ):
            yield Touch(hop, by, number, self.suspects.labels[by, number], value)

    def _worth_it(self, txs: _Numbers, values: Sequence[int]) -> list[tuple[int, int]]:
        """Join the shares of each chain tx; give (share, chain tx), leaving out those below the threshold."""
        joined: dict[int, int] = {}
        for tx, value in zip(txs.tolist(), values, strict=True):
            joined[tx] = joined.get(tx, 0) + value
        small = [tx for tx, value in joined.items() if value < self.limits.smallest]
        self.beyond[Beyond.BELOW_THRESHOLD] += sum(joined.pop(tx) for tx in small)
        return [(value, tx) for tx, value in joined.items() if value]

    def _within_budget(self, front: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Choose the shares that may still be looked at, the largest first; give them in chain order."""
        front = sorted(front, key=lambda share: (-share[0], share[1]))
        txs = np.array([tx for _, tx in front], dtype=np.int64)
        counts = (self.columns.tx_first_input[txs + 1] - self.columns.tx_first_input[txs]).tolist()
        chosen = []
        for (value, tx), inputs in zip(front, counts, strict=True):
            if self.txs >= self.limits.txs:
                self.beyond[Beyond.TX_LIMIT] += value
            elif self.inputs + inputs > self.limits.inputs:
                self.beyond[Beyond.INPUT_LIMIT] += value
            else:
                self.txs += 1
                self.inputs += inputs
                chosen.append((value, tx))
        return sorted(chosen, key=lambda share: share[1])

    def _back(self, hop: int, chosen: list[tuple[int, int]]) -> tuple[_Numbers, list[int]]:
        """Share out to the inputs, note what is touched, and give the chain txs and shares of the rest."""
        txs = np.array([tx for _, tx in chosen], dtype=np.int64)
        self._note_mixing(hop, chosen)
        spent, ends = self._spent(txs)
        shares = np.array(self._shares(chosen, spent, ends), dtype=np.int64)
        self.mined += int(shares[spent == COINBASE].sum())
        self.before += int(shares[spent < COINBASE].sum())
        inside = (spent >= 0) & (shares > 0)
        spent, shares = spent[inside], shares[inside]
        rest = ~self._note_touches(hop, spent, shares)
        makers = np.searchsorted(self.columns.tx_first_output, spent[rest], side="right") - 1
        return makers, shares[rest].tolist()

    def _spent(self, txs: _Numbers) -> tuple[_Numbers, _Numbers]:
        """Give what the inputs of these chain txs spend, and where each one's inputs end."""
        firsts = self.columns.tx_first_input[txs]
        counts = self.columns.tx_first_input[txs + 1] - firsts
        ends = np.cumsum(counts)
        at = np.arange(ends[-1]) + np.repeat(firsts - (ends - counts), counts)
        return np.asarray(self.columns.input_spent[at]), ends

    def _shares(self, chosen: list[tuple[int, int]], spent: _Numbers, ends: _Numbers) -> list[int]:
        """Give each input's share; where an input's value is unknown, the whole share goes to the first such."""
        values = self._values(spent).tolist()
        shares: list[int] = []
        begin = 0
        for (value, _), end in zip(chosen, ends.tolist(), strict=True):
            parts = values[begin:end]
            if len(parts) == 1:
                shares.append(value)
            elif min(parts) < 0:
                unknown = parts.index(-1)
                shares += [value if at == unknown else 0 for at in range(len(parts))]
            else:
                shares += split(value, parts)
            begin = end
        return shares

    def _values(self, spent: _Numbers) -> _Numbers:
        values = np.zeros(len(spent), dtype=np.int64)
        inside, outside = spent >= 0, spent < COINBASE
        values[inside] = self.columns.output_value[spent[inside]]
        values[outside] = self.columns.external_value[-2 - spent[outside]]
        return values

    def _note_touches(self, hop: int, spent: _Numbers, shares: _Numbers) -> npt.NDArray[np.bool_]:
        """Note the shares of what is marked or tagged, under the nearest reason only; give which they are."""
        addresses = np.asarray(self.columns.output_address[spent])
        numbers = {By.MARK: spent, By.ADDRESS: addresses, By.CLUSTER: self.suspects.clusters_of(addresses)}
        noted = np.zeros(len(spent), dtype=np.bool_)
        for by, hits in self.suspects.touched(spent, addresses).items():
            fresh = hits & ~noted
            for number, share in zip(numbers[by][fresh].tolist(), shares[fresh].tolist(), strict=True):
                self.found[hop, by, number] = self.found.get((hop, by, number), 0) + share
            noted |= hits
        return noted

    def _note_mixing(self, hop: int, chosen: list[tuple[int, int]]) -> None:
        clusters = self.suspects.clusters
        if clusters is None:
            return
        for value, tx in chosen:
            kind = int(clusters.mixing[tx]) if tx < clusters.txs else 0
            if kind:
                self.mixed[hop, kind] = self.mixed.get((hop, kind), 0) + value
