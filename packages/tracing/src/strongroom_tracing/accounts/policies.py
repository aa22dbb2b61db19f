"""The five policies, as ways in which a holding pays: which of its lots leave.

A holding is what one address has of one asset on one chain. The policies were defined for outputs of Bitcoin:

- poison and haircut: Möser, Böhme, Breuker, "Towards Risk Scoring of Bitcoin Transactions" (Financial Cryptography
  Workshops 2014): everything after a theft is tainted whole, or in proportion to what came together.
- FIFO: Anderson, Shumailov, Ahmed, "Making Bitcoin Legal" (Security Protocols 2018), after Clayton's case (Devaynes v
  Noble, 1816, 35 ER 767), which is itself about an account: what was paid in first is paid out first.
- LIFO and TIHO (taint in, highest out): Tironsakkul, Maarek, Eross, Just, "Probing the Mystery of Cryptocurrency
  Theft: An Investigation into Methods for Taint Analysis" (2019, arXiv:1906.05754).

For accounts, where there are no outputs, these are our definitions:

- FIFO, LIFO: lots in the order of arrival; the oldest, or the newest, units leave, and keep their order.
- haircut: a payment takes of every report in proportion, the oldest first, each rounded to the nearest unit within what
  the older ones leave; the rest is no claim's.
- poison: once a claim's money is in a holding, all of it is the claim's, and all that it pays, until it holds nothing
  that is known. Values are of whole payments, and several claims may have the same unit.
- TIHO: within one chain tx, the payments of a holding which no money coming in parts, and the balance that remains
  after them, are the outputs. The claims' money (in the order of report) goes to the highest output first; among equal
  ones to the earlier, to the balance last.

What is paid beyond all that is known to be there is ``SHORT`` and leaves after everything known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from strongroom_tracing.accounts.lots import CLEAN, SHORT, Lot, by_source, rank, shares, split, total
from strongroom_tracing.taint.model import Policy


class Holding(Protocol):
    """What one address has of one asset."""

    @property
    def balance(self) -> int:
        """What is known to be there, in base units."""

    def add(self, lots: Sequence[Lot], value: int) -> None:
        """Take in ``value``, made up of ``lots``."""

    def pay(self, values: Sequence[int]) -> list[list[Lot]]:
        """Pay several values of one chain tx in a row; the lots of each."""

    def lots(self) -> list[Lot]:
        """Show what is there."""


def make_holding(policy: Policy) -> Holding:
    """Make an empty holding."""
    return _KINDS[policy]()


def make_mixed() -> Holding:
    """Make an empty holding that pays of all its sources in proportion at once, as where they are no reports."""
    return _Sums()


def _short(value: int, known: int) -> list[Lot]:
    return [Lot(SHORT, value - known)] if value > known else []


class _Queue:
    """Lots in the order of arrival."""

    def __init__(self) -> None:
        self._lots: deque[Lot] = deque()
        self.balance = 0

    def add(self, lots: Sequence[Lot], value: int) -> None:
        for lot in lots:
            self._append(lot)
        self.balance += value

    def _append(self, lot: Lot) -> None:
        last = self._lots[-1] if self._lots else None
        if last is not None and last.source == lot.source:
            self._lots[-1] = Lot(last.source, last.amount + lot.amount, last.start)
        else:
            self._lots.append(lot)

    def pay(self, values: Sequence[int]) -> list[list[Lot]]:
        return [self._pay(value) for value in values]

    def _pay(self, value: int) -> list[Lot]:
        known = min(value, self.balance)
        self.balance -= known
        return self._take(known) + _short(value, known)

    def _take(self, amount: int) -> list[Lot]:
        raise NotImplementedError

    def lots(self) -> list[Lot]:
        return list(self._lots)


class _Fifo(_Queue):
    def _take(self, amount: int) -> list[Lot]:
        taken: list[Lot] = []
        while amount:
            lot = self._lots.popleft()
            part = min(amount, lot.amount)
            taken.append(Lot(lot.source, part, lot.start))
            if part < lot.amount:
                self._lots.appendleft(Lot(lot.source, lot.amount - part, lot.start + part))
            amount -= part
        return taken


class _Lifo(_Queue):
    def _take(self, amount: int) -> list[Lot]:
        taken: list[Lot] = []
        while amount:
            lot = self._lots.pop()
            part = min(amount, lot.amount)
            taken.append(Lot(lot.source, part, lot.start + lot.amount - part))
            if part < lot.amount:
                self._lots.append(Lot(lot.source, lot.amount - part, lot.start))
            amount -= part
        return taken[::-1]


class _Sums:
    """How much of each source, without any order of units; pays of all in proportion, the largest remainders first."""

    def __init__(self) -> None:
        self._sums: dict[int, int] = {}
        self.balance = 0

    def add(self, lots: Sequence[Lot], value: int) -> None:
        for lot in lots:
            self._sums[lot.source] = self._sums.get(lot.source, 0) + lot.amount
        self.balance += value

    def pay(self, values: Sequence[int]) -> list[list[Lot]]:
        return [self._pay(value) for value in values]

    def _pay(self, value: int) -> list[Lot]:
        known = min(value, self.balance)
        return self._remove(self._parts(known)) + _short(value, known)

    def _parts(self, value: int) -> list[tuple[int, int]]:
        sources = sorted(self._sums, key=rank)
        return list(zip(sources, shares([self._sums[source] for source in sources], value), strict=True))

    def _remove(self, parts: Iterable[tuple[int, int]]) -> list[Lot]:
        taken = [Lot(source, part) for source, part in parts if part]
        for lot in taken:
            self._sums[lot.source] -= lot.amount
            if not self._sums[lot.source]:
                del self._sums[lot.source]
            self.balance -= lot.amount
        return taken

    def lots(self) -> list[Lot]:
        return [Lot(source, self._sums[source]) for source in sorted(self._sums, key=rank)]


class _Haircut(_Sums):
    def _parts(self, value: int) -> list[tuple[int, int]]:
        """Round each report within what the older ones leave: none may learn of a younger one (decision 0117)."""
        parts, balance = list[tuple[int, int]](), self.balance
        for source in sorted(self._sums, key=rank):
            part = shares([self._sums[source], balance - self._sums[source]], value)[0]
            parts.append((source, part))
            balance, value = balance - self._sums[source], value - part
        return parts


class _Tiho(_Sums):
    def pay(self, values: Sequence[int]) -> list[list[Lot]]:
        remains = max(0, self.balance - sum(values))
        outputs = [*values, remains]
        room = list(values)
        claimed = [lot for lot in self.lots() if lot.source >= 0]
        paid: list[list[Lot]] = [[] for _ in values]
        for n in sorted(range(len(outputs)), key=lambda n: (-outputs[n], n)):
            part, claimed = split(claimed, outputs[n])
            if n < len(values):
                paid[n] += self._remove((lot.source, lot.amount) for lot in part)
                room[n] -= total(part)
        for n, value in enumerate(room):
            paid[n] += self._fill(value)
        return paid

    def _fill(self, value: int) -> list[Lot]:
        """Pay with what is no claim's; the claims' that is left over is the balance's."""
        free, _ = split([lot for lot in self.lots() if lot.source < 0], value)
        return self._remove((lot.source, lot.amount) for lot in free) + _short(value, total(free))


class _Poison:
    """Known balance, and the claims that have all of it. Nobody loses here, so that ages decide nothing."""

    def __init__(self) -> None:
        self._claims: set[int] = set()
        self.balance = 0

    def add(self, lots: Sequence[Lot], value: int) -> None:
        self._claims |= {lot.source for lot in lots if lot.source >= 0}
        self.balance += value

    def pay(self, values: Sequence[int]) -> list[list[Lot]]:
        return [self._pay(value) for value in values]

    def _pay(self, value: int) -> list[Lot]:
        known = min(value, self.balance)
        lots = [Lot(claim, value) for claim in sorted(self._claims)]
        self.balance -= known
        if not self.balance:
            self._claims.clear()
        free = [] if lots or not known else [Lot(CLEAN, known)]
        return [*lots, *free, *_short(value, known)]

    def lots(self) -> list[Lot]:
        sources = sorted(self._claims) or [CLEAN]
        return [Lot(source, self.balance) for source in sources] if self.balance else []


_KINDS: dict[Policy, Callable[[], Holding]] = {
    Policy.POISON: _Poison,
    Policy.HAIRCUT: _Haircut,
    Policy.FIFO: _Fifo,
    Policy.LIFO: _Lifo,
    Policy.TIHO: _Tiho,
}


def claimed(lots: Iterable[Lot]) -> dict[int, int]:
    """Add up what of lots is a claim's, by report."""
    return {source: amount for source, amount in by_source(lots).items() if source >= 0}
