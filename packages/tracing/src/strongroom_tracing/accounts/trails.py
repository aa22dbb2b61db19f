"""What a holding's payments were made of: its incoming rows, under each policy. For following money backward.

A trail replays a holding from the start with every incoming row as a source of its own; what leaves with a payment
then says where it came from. For FIFO and LIFO unit by unit, so that backward is the exact inverse of forward; for
haircut in proportion; for poison everything that came in since the holding was last empty. TIHO has no inverse that
its authors define; ours is the mirror, as on chains of coins: a payment is made of the highest inputs that are left.
"""

from __future__ import annotations

from collections.abc import Sequence

from strongroom_tracing.accounts.lots import OPENING, SHORT, Lot, rank
from strongroom_tracing.accounts.policies import Holding, make_holding, make_mixed
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.taint.model import Policy


class _Highest:
    """Pays with the highest of its lots."""

    def __init__(self) -> None:
        self._sums: dict[int, int] = {}
        self.balance = 0

    def add(self, lots: Sequence[Lot], value: int) -> None:
        self._sums |= {lot.source: lot.amount for lot in lots}
        self.balance += value

    def pay(self, values: Sequence[int]) -> list[list[Lot]]:
        return [self._pay(value) for value in values]

    def _pay(self, value: int) -> list[Lot]:
        taken = []
        for source in sorted(self._sums, key=lambda source: (-self._sums[source], rank(source))):
            part = min(value, self._sums[source])
            if not part:
                break
            taken.append(Lot(source, part))
            value -= part
            self.balance -= part
            self._sums[source] -= part
        self._sums = {source: amount for source, amount in self._sums.items() if amount}
        return [*taken, Lot(SHORT, value)] if value else taken

    def lots(self) -> list[Lot]:
        return [Lot(source, amount) for source, amount in self._sums.items()]


class _Everything:
    """Pays with all that came in since it was last empty, each whole."""

    def __init__(self) -> None:
        self._lots: list[Lot] = []
        self.balance = 0

    def add(self, lots: Sequence[Lot], value: int) -> None:
        self._lots += lots
        self.balance += value

    def pay(self, values: Sequence[int]) -> list[list[Lot]]:
        return [self._pay(value) for value in values]

    def _pay(self, value: int) -> list[Lot]:
        paid = list(self._lots)
        if value > self.balance:
            paid.append(Lot(SHORT, value - self.balance))
        self.balance -= min(value, self.balance)
        if not self.balance:
            self._lots = []
        return paid

    def lots(self) -> list[Lot]:
        return list(self._lots)


def trail(policy: Policy, transfers: Transfers, sides: Sequence[int], opening: int) -> dict[int, list[Lot]]:
    """Replay a holding's rows; {row that pays: the incoming rows that it was made of}."""
    holding: Holding
    if policy == Policy.TIHO:
        holding = _Highest()
    elif policy == Policy.POISON:
        holding = _Everything()
    elif policy == Policy.HAIRCUT:
        holding = make_mixed()
    else:
        holding = make_holding(policy)
    if opening:
        holding.add([Lot(OPENING, opening)], opening)
    made_of = {}
    for side in sides:
        row = side // 2
        value = transfers.value(row)
        if side % 2:
            holding.add([Lot(row, value)], value)
        else:
            made_of[row] = holding.pay([value])[0]
    return made_of
