"""A reference of taint on account chains: slow, obvious, and written without the engine.

Every base unit is a coin of its own with a label on it, and every holding is followed from the first row on. A label is
the number of a report: marks of one claim between which none of another stands (decision 0117).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby

from strongroom_tracing.taint.model import Policy
from tests.unit.tracing.accounts.support import Event

CLEAN, UNKNOWN = "clean", "unknown"
Label = int | str  # the number of a report, or that it is nobody's
Labels = list[Label]


@dataclass
class _Heap:
    """One holding: its coins in the order of arrival, each a label."""

    coins: Labels = field(default_factory=list)
    followed: bool = False
    whole: set[int] = field(default_factory=set)  # poison


class Reference:
    """Plays a history coin by coin."""

    def __init__(self, policy: Policy, events: list[Event], marks: list[tuple[str, str, int]]) -> None:
        self.policy, self.events = policy, events
        self.claims = [claim for claim, _ in groupby(marks, key=lambda mark: mark[0])]
        if policy == Policy.POISON:  # every claim has all of it, whatever its age
            self.claims = list(dict.fromkeys(self.claims))
        self.order = range(len(self.claims))
        self.marks: list[tuple[int, str, int]] = []
        for number, (claim, found) in enumerate(groupby(marks, key=lambda mark: mark[0])):
            report = self.claims.index(claim) if policy == Policy.POISON else number
            self.marks += [(report, name, amount) for _, name, amount in found]
        self.heaps: dict[tuple[str, str], _Heap] = {}
        self.gas: Counter[tuple[str, str, str]] = Counter()
        self.unknown: Counter[tuple[str, str, str]] = Counter()
        self.moved: Counter[tuple[str, str]] = Counter()
        self.lost: Counter[tuple[str, str, str]] = Counter()
        self.run: dict[int, Labels] = {}
        for number, event in enumerate(events):
            self._play(number, event)

    def heap(self, who: str, asset: str) -> _Heap:
        return self.heaps.setdefault((who, asset), _Heap())

    def held(self) -> Counter[tuple[str, str, str]]:
        sums: Counter[tuple[str, str, str]] = Counter()
        for (who, asset), heap in self.heaps.items():
            for report in self.order:
                has = heap.coins.count(report)
                if self.policy == Policy.POISON:
                    has = len(heap.coins) if report in heap.whole else 0
                if has:
                    sums[who, asset, self.claims[report]] += has
        return sums

    def _play(self, number: int, event: Event) -> None:
        coins, whole = self._pay(number, event)
        for report, name, amount in sorted(self.marks):
            if name == event.name:
                self._mark(coins, whole, report, amount, name)
        reports = whole if self.policy == Policy.POISON else {coin for coin in coins if isinstance(coin, int)}
        for report in reports:
            has = event.value if self.policy == Policy.POISON else coins.count(report)
            if event.payee == "":
                self.gas[event.payer, self.claims[report], event.name] += has
            else:
                self.moved[event.name, self.claims[report]] += has
        if event.payee == "":
            return
        heap = self.heap(event.payee, event.payee_asset)
        heap.followed = heap.followed or bool(reports)
        heap.whole |= reports if self.policy == Policy.POISON else set()
        heap.coins += coins if heap.followed else [CLEAN] * len(coins)

    def _pay(self, number: int, event: Event) -> tuple[Labels, set[int]]:
        if event.payer == "":
            return [CLEAN] * event.value, set()
        heap = self.heap(event.payer, event.payer_asset)
        short = max(0, event.value - len(heap.coins))
        whole = set(heap.whole)
        if self.policy == Policy.TIHO and number not in self.run:
            self._pay_run(number, event, heap)
        if self.policy == Policy.TIHO:
            coins = self.run.pop(number)
            short = coins.count("short")
            coins = [UNKNOWN if coin == "short" else coin for coin in coins]
        else:
            coins = self._take(heap, event.value - short) + [UNKNOWN] * short
        if heap.followed and short:
            self.unknown[event.payer, event.payer_asset, event.name] += short
        if not heap.coins:
            heap.whole = set()
        return (coins if heap.followed else [CLEAN] * event.value), whole

    def _take(self, heap: _Heap, amount: int) -> Labels:
        if self.policy == Policy.LIFO:
            at = len(heap.coins) - amount
            heap.coins, taken = heap.coins[:at], heap.coins[at:]
            return taken
        if self.policy in (Policy.FIFO, Policy.POISON):
            taken, heap.coins = heap.coins[:amount], heap.coins[amount:]
            return taken
        taken, rest, half = [], len(heap.coins), Fraction(1, 2)
        for label in (*self.order, CLEAN, UNKNOWN):  # the oldest report first, each rounded within what is left
            has = heap.coins.count(label)
            part = int(Fraction(has * (amount - len(taken)), rest) + half) if has else 0
            taken += [label] * part
            rest -= has
        return self._remove(heap, taken)

    def _remove(self, heap: _Heap, labels: Labels) -> Labels:
        for label in labels:
            heap.coins.remove(label)
        return labels

    def _pay_run(self, number: int, event: Event, heap: _Heap) -> None:
        """TIHO: what a holding pays in a chain tx before anything comes in, and what remains, highest first."""
        key, run = (event.payer, event.payer_asset), []
        for later in range(number, len(self.events)):
            other = self.events[later]
            if other.tx != event.tx:
                break
            if (other.payer, other.payer_asset) == key:
                run.append(later)
            if (other.payee, other.payee_asset) == key:
                break
        remains = max(0, len(heap.coins) - sum(self.events[one].value for one in run))
        outputs = [(self.events[one].value, one) for one in run] + [(remains, len(self.events))]
        tainted: Labels = [coin for report in self.order for coin in heap.coins if coin == report]
        others = [coin for kind in (CLEAN, UNKNOWN) for coin in heap.coins if coin == kind]
        filled: dict[int, Labels] = {}
        for value, one in sorted(outputs, key=lambda output: (-output[0], output[1])):
            filled[one], tainted = tainted[:value], tainted[value:]
        for value, one in outputs:
            rest = value - len(filled[one])
            filled[one] += others[:rest]
            others = others[rest:]
            filled[one] += ["short"] * (value - len(filled[one]))
        heap.coins = filled.pop(len(self.events))
        self.run |= filled

    def _mark(self, coins: Labels, whole: set[int], report: int, amount: int, name: str) -> None:
        if self.policy == Policy.POISON:
            whole.add(report)
            return
        claim, before = self.claims[report], list(coins)
        gone, over = self._lay(coins, report, amount)
        if self.policy not in (Policy.FIFO, Policy.LIFO):  # units without places: who gave way takes what is nobody's
            waiting, gone = gone, Counter()
            while waiting:
                oldest = min(waiting)
                more, gone[oldest] = self._lay(coins, oldest, waiting.pop(oldest))
                waiting += more
        for loser in +gone:
            if self.claims[loser] != claim:
                self.lost[name, self.claims[loser], claim] += gone[loser]
        older = [coin for coin in before if isinstance(coin, int) and coin <= report]
        late = over - min(over, sum(self.claims[coin] == claim for coin in older))
        for coin in [coin for coin in older if self.claims[coin] != claim][:late]:
            self.lost[name, claim, self.claims[coin]] += 1

    def _lay(self, coins: Labels, report: int, amount: int) -> tuple[Counter[int], int]:
        """Give a report the first coins that are nobody's or younger reports'; what these lose, what found no room."""
        gone: Counter[int] = Counter()
        for place, coin in enumerate(coins):
            if amount and (isinstance(coin, str) or coin > report):
                gone.update([coin] if isinstance(coin, int) else [])
                coins[place] = report
                amount -= 1
        return gone, amount


_Traced = tuple[tuple[str, str], tuple[str, ...]]  # where a coin was born, and the payments that moved it since


def paths(policy: Policy, events: list[Event], wanted: str) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Follow every coin of FIFO or LIFO by name, and say of the coins of one payment how they came there.

    Gives how many of them each earlier payment moved, and how many were born where: (payment, why).
    """
    heaps: dict[tuple[str, str], list[_Traced]] = {}
    coins: list[_Traced]
    for event in events:
        if event.payer == "":
            coins = [((event.name, "issued"), ())] * event.value
        else:
            heap = heaps.setdefault((event.payer, event.payer_asset), [])
            known = min(event.value, len(heap))
            cut = known if policy == Policy.FIFO else len(heap) - known
            first, second = heap[:cut], heap[cut:]
            taken, heaps[event.payer, event.payer_asset] = (first, second) if policy == Policy.FIFO else (second, first)
            coins = taken + [((event.name, "unknown"), ())] * (event.value - known)
        coins = [(birth, (*path, event.name)) for birth, path in coins]
        if event.name == wanted:
            moves = Counter(name for _, path in coins for name in set(path))
            return moves, Counter(birth for birth, _ in coins)
        if event.payee != "":
            heaps.setdefault((event.payee, event.payee_asset), []).extend(coins)
    raise AssertionError(wanted)
