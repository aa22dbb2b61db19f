"""Taint, slow and obvious: the whole chain, every base unit, in lists and dicts.

FIFO and LIFO write down the owner of every single base unit. Haircut reckons in fractions. Nothing is shared with the
code under test but the question and the columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import groupby
from typing import Any

from strongroom_core.assets import BITCOIN_REGTEST, BITCOIN_TESTNET
from strongroom_tracing.columns import Columns
from strongroom_tracing.taint.model import Direction, Fees, Policy, Question

ORDERED = (Policy.FIFO, Policy.LIFO)
Taint = Any  # ordered: the owner of every base unit, or None; else: claim -> base units


class Reference:
    """One question, answered at once; the rows are counters by place, claim and whatever else the row says."""

    def __init__(self, columns: Columns, question: Question) -> None:
        self.columns, self.question = columns, question
        self.policy = question.policy
        self.forward = question.direction is Direction.FORWARD
        self.carried = question.fees is Fees.CARRIED
        # A report: marks of one claim, next to each other; its number is its age, its name the claim's.
        self.reports = [list(found) for _, found in groupby(question.marks, key=lambda mark: mark.claim)]
        self.names = [marks[0].claim for marks in self.reports]
        self.values = columns.output_value.tolist()
        self.spending = columns.output_spending.tolist()
        self.first_output = columns.tx_first_output.tolist()
        self.first_input = columns.tx_first_input.tolist()
        self.maker = [columns.tx_of_output(output) for output in range(columns.outputs)]
        self.held: Counter[Any] = Counter()
        self.services: Counter[Any] = Counter()
        self.fees: Counter[Any] = Counter()
        self.left: Counter[Any] = Counter()
        self.contested: Counter[Any] = Counter()
        self.origins: Counter[Any] = Counter()
        self.marked: list[Any] = []
        self.assumed: Counter[Any] = Counter()
        self.moves: Counter[Any] = Counter()
        self.visited = 0
        self.money: dict[Any, Taint] = {}  # output, or ("fee", tx)
        self.hop: dict[Any, dict[str, int]] = {}  # of every claim in it: chain txs from the claim's own nearest mark
        (self._forward if self.forward else self._backward)()

    # The order in which chain txs are looked at.

    def _blocks(self) -> list[list[int]]:
        first = self.columns.block_first_tx.tolist()
        return [list(range(first[i], first[i + 1])) for i in range(self.columns.blocks) if first[i] < first[i + 1]]

    def _forward(self) -> None:
        for block in self._blocks():
            for tx in [*block[1:], block[0]]:  # the coinbase last: it collects the fees of its block
                if tx == block[0] and not self.carried:
                    for output in self._outputs(tx):
                        self._arrive(output, self._nothing(self.values[output]), {})
                else:
                    self._through(tx)

    def _backward(self) -> None:
        for output, tx in enumerate(self.spending):
            if tx < 0:
                self._arrive(output, self._nothing(self.values[output]), {})
        for block in reversed(self._blocks()):
            for tx in [block[0], *reversed(block[1:])]:
                if tx != block[0] or self.carried:
                    self._through(tx)

    # A chain tx.

    def _outputs(self, tx: int) -> list[int]:
        return list(range(self.first_output[tx], self.first_output[tx + 1]))

    def _spent(self, tx: int) -> list[int]:
        return [int(spent) for spent in self.columns.input_spent[self.first_input[tx] : self.first_input[tx + 1]]]

    def _sides(self, tx: int) -> tuple[list[tuple[Any, int]], list[tuple[Any, int]], tuple[int, int] | None]:
        """Give the ins and the outs of a chain tx (name, value), the fee last, and what was assumed."""
        outs = [(output, self.values[output]) for output in self._outputs(tx)]
        leaving = sum(value for _, value in outs)
        spent = self._spent(tx)
        if spent == [-1]:
            ins = [(-1, self._subsidy(tx, leaving)), *((("fee", other), fee) for other, fee in self._fees(tx))]
            return ins, [*outs, (("fee", tx), sum(value for _, value in ins) - leaving)], None
        values = [self.values[s] if s >= 0 else int(self.columns.external_value[-2 - s]) for s in spent]
        unknown = [i for i, value in enumerate(values) if value < 0]
        values = [max(value, 0) for value in values]
        short = max(leaving - sum(values), 0)
        assumed = (short, len(unknown)) if short or unknown else None
        if short and not unknown:
            spent, values, unknown = [*spent, -1], [*values, 0], [len(values)]
        if short:
            values[unknown[0]] = short
        return list(zip(spent, values, strict=True)), [*outs, (("fee", tx), sum(values) - leaving)], assumed

    def _fees(self, coinbase: int) -> list[tuple[int, int]]:
        block = next(block for block in self._blocks() if block[0] == coinbase)
        return [(tx, self._sides(tx)[1][-1][1]) for tx in block[1:]]

    def _subsidy(self, coinbase: int, claimed: int) -> int:
        height = self.columns.height_of_tx(coinbase)
        halving = {BITCOIN_REGTEST.id: 150, BITCOIN_TESTNET.id: 210_000}.get(self.columns.chain)
        allowed = 50 * 10**8 >> height // halving if halving else 0
        return max(allowed, claimed - sum(fee for _, fee in self._fees(coinbase)))

    def _through(self, tx: int) -> None:
        ins, outs, assumed = self._sides(tx)
        sources, sinks = (ins, outs) if self.forward else (outs, ins)
        waiting = [self.money.pop(name, None) for name, _ in sources]
        taken = [
            self._nothing(value) if taint is None else taint for (_, value), taint in zip(sources, waiting, strict=True)
        ]
        reached = any(taint is not None for taint in waiting)
        hops: dict[str, int] = {}
        for (name, _), taint in zip(sources, waiting, strict=True):
            for claim, hop in self.hop.pop(name, {}).items() if taint is not None else ():
                hops[claim] = min(hop + 1, hops.get(claim, hop + 1))
        if reached:
            self.visited += 1
            if assumed:
                self.assumed[tx, *assumed] += 1
        for (name, _), taint in zip(sinks, self._spread(tx, sources, taken, sinks), strict=True):
            self._settle(tx, name, taint, hops)

    def _spread(self, tx: int, sources: Any, taken: list[Taint], sinks: Any) -> list[Taint]:
        if self.policy in ORDERED:
            return self._in_order(tx, sources, taken, sinks)
        if not any(taken):
            return [{} for _ in sinks]
        if self.policy is Policy.POISON:
            reports = sorted({report for taint in taken for report in taint}, reverse=True)
            claims = {self.names[report]: report for report in reports}.values()  # of each the earliest
            return [dict.fromkeys(claims, value) if value else {} for _, value in sinks]
        if self.policy is Policy.HAIRCUT:
            return self._haircut(taken, sinks)
        return self._highest(tx, sources, taken, sinks)

    def _in_order(self, tx: int, sources: Any, taken: list[Taint], sinks: Any) -> list[Taint]:
        row = [(owner, name) for (name, _), taint in zip(sources, taken, strict=True) for owner in taint]
        if self.policy is Policy.LIFO:
            row.reverse()
        units = iter(row)
        made = []
        for name, value in sinks:
            part = [next(units) for _ in range(value)]
            made.append([owner for owner, _ in part])
            for owner, source in part:
                self._move(tx, source, name, owner, 1)
        assert next(units, None) is None
        return made

    def _move(self, tx: int, source: Any, sink: Any, claim: int | None, value: int) -> None:
        if claim is None or not value:
            return
        if not self.forward:
            source, sink = sink, source
        source = self.columns.outputs + source[1] if isinstance(source, tuple) else source
        sink = -1 if isinstance(sink, tuple) else sink
        self.moves[tx, source, sink, self.names[claim]] += value

    def _haircut(self, taken: list[Taint], sinks: Any) -> list[Taint]:
        made: list[dict[int, int]] = [{} for _ in sinks]
        room = [value for _, value in sinks]
        real = range(len(sinks) - 1 if self.forward else len(sinks))
        whole = sum(room[s] for s in real)
        for claim in sorted({claim for taint in taken for claim in taint}):
            amount = sum(taint.get(claim, 0) for taint in taken)
            if self.forward:
                to_fee = min(amount - amount * whole // sum(value for _, value in sinks), room[-1])
                made[-1][claim] = to_fee
                room[-1] -= to_fee
                amount -= to_fee
            shares = {s: Fraction(amount * sinks[s][1], whole) if whole else Fraction(0) for s in real}
            for s in real:
                made[s][claim] = min(int(shares[s]), room[s])
                room[s] -= made[s][claim]
            left = amount - sum(made[s][claim] for s in real)
            for s in _round_robin(sorted(real, key=lambda s: (int(shares[s]) - shares[s], s))):
                if not left:
                    break
                if room[s]:
                    made[s][claim] += 1
                    room[s] -= 1
                    left -= 1
        return [{claim: value for claim, value in taint.items() if value} for taint in made]

    def _highest(self, tx: int, sources: Any, taken: list[Taint], sinks: Any) -> list[Taint]:
        made: list[dict[int, int]] = [{} for _ in sinks]
        real = list(range(len(sinks) - 1 if self.forward else len(sinks)))
        queue = sorted(real, key=lambda s: -sinks[s][1]) + ([len(sinks) - 1] if self.forward else [])
        room = [value for _, value in sinks]
        for claim in sorted({claim for taint in taken for claim in taint}):  # the earlier report first
            for (name, _), taint in zip(sources, taken, strict=True):
                for _ in range(taint.get(claim, 0)):
                    sink = next(s for s in queue if room[s])
                    room[sink] -= 1
                    made[sink][claim] = made[sink].get(claim, 0) + 1
                    self._move(tx, name, sinks[sink][0], claim, 1)
        return made

    # Where money arrives.

    def _nothing(self, value: int) -> Taint:
        return [None] * value if self.policy in ORDERED else {}

    def _sums(self, taint: Taint) -> dict[int, int]:
        if self.policy in ORDERED:
            taint = Counter(owner for owner in taint if owner is not None)
        return {claim: taint[claim] for claim in sorted(taint) if taint[claim]}

    def _settle(self, tx: int, name: Any, taint: Taint, hops: dict[str, int]) -> None:
        if isinstance(name, tuple):
            self._fee(name, taint, hops)
        elif name < 0:
            sums = self._sums(taint)
            for claim in sums:
                self._write(self.origins, (tx, name), claim, sums)
        else:
            self._arrive(name, taint, hops)

    def _fee(self, name: Any, taint: Taint, hops: dict[str, int]) -> None:
        lost = self.forward and (not self.carried or self._spent(name[1]) == [-1])
        sums = self._sums(taint)
        going = {}
        for claim in sums:
            reason = self._limit(name[1], self._in_all(taint), hops[self.names[claim]], named=False)
            if lost:
                self._write(self.fees, (name[1],), claim, sums)
            elif reason:
                self._write(self.left, (self.columns.outputs + name[1],), claim, sums, reason)
            else:
                going[claim] = hops[self.names[claim]]
        self._wait(name, taint, going, {})

    def _write(self, rows: Counter[Any], place: Any, claim: int, sums: dict[int, int], *more: Any) -> None:
        """Write where a claim's money is, of all the money (``sums``) that is there; poison gives all to the first."""
        first = min(sums)
        if self.policy is not Policy.POISON or claim == first:
            rows[*place, self.names[claim], *more] += sums[claim]
        elif rows is not self.fees and rows is not self.origins:
            service = place[1] if rows is self.services else ""
            self.contested[place[0], self.names[claim], self.names[first], service] += sums[claim]

    def _wait(self, name: Any, taint: Taint, going: dict[int, int], younger: dict[int, int]) -> None:
        """Keep what of the taint goes on, with the hops of each claim."""
        if not going:
            return
        if self.policy in ORDERED:
            self.money[name] = [younger.get(owner, owner) if owner in going else None for owner in taint]
        else:
            self.money[name] = {}
            for claim in going:
                as_old = younger.get(claim, claim)
                self.money[name][as_old] = self.money[name].get(as_old, 0) + taint[claim]
        self.hop[name] = {self.names[report]: hop for report, hop in going.items()}

    def _in_all(self, taint: Taint) -> int:
        values = self._sums(taint).values()
        return max(values, default=0) if self.policy is Policy.POISON else sum(values)

    def _limit(self, tx: int, flowed: int, hop: int, *, named: bool) -> str | None:
        limits, height = self.question.limits, self.columns.height_of_tx(tx)
        if limits.height is not None and (height > limits.height if self.forward else height < limits.height):
            return "height-limit"
        if not named and flowed < limits.smallest:
            return "below-threshold"
        if limits.hops is not None and hop >= limits.hops:
            return "hop-limit"
        return None

    def _arrive(self, output: int, taint: Taint, hops: dict[str, int]) -> None:
        marks: dict[int, int] = {}
        for report, mark in [(report, mark) for report, marks in enumerate(self.reports) for mark in marks]:
            if mark.output == output:
                amount = self.values[output] if mark.amount is None else mark.amount
                marks[report] = max(amount, marks.get(report, 0))
        flowed = self._in_all(taint)
        for claim in sorted(marks):
            self._mark(output, taint, claim, marks[claim])
        sums = self._sums(taint)
        going, younger = {}, {}
        naming = {self.names[report] for report in marks}
        for claim in sums:
            named = self.names[claim] in naming
            hop = 0 if named else hops[self.names[claim]]
            end = self._end(output, flowed, hop, named=named)
            if end is None:
                going[claim] = hop
                if int(self.columns.output_address[output]) in self.question.stops:  # opened by the claim's oldest mark
                    younger[claim] = max(claim, min(mark for mark in marks if self._same(mark, claim)))
            else:
                rows, place, more = end
                self._write(rows, place, claim, sums, *more)
        self._wait(output, taint, going, younger)

    def _end(self, output: int, flowed: int, hop: int, *, named: bool) -> tuple[Counter[Any], Any, Any] | None:
        """Say where money of one claim ends that arrives at an output, if it does; ``named``: by that claim's mark."""
        address = int(self.columns.output_address[output])
        onward = self.spending[output] if self.forward else self.maker[output]
        if address in self.question.stops and not named:
            return self.services, (output, self.question.stops[address]), ()
        if self.forward and onward < 0:
            return self.held, (output,), ()
        if not self.forward and not self.carried and self._spent(onward) == [-1]:
            return self.origins, (onward, -1), ()
        reason = self._limit(onward, flowed, hop, named=named)
        return (self.left, (output,), (reason,)) if reason else None

    def _same(self, one: int, other: int) -> bool:
        return self.names[one] == self.names[other]

    def _mark(self, output: int, taint: Taint, claim: int, amount: int) -> None:
        if self.policy is Policy.POISON:
            value = self.values[output]
            own = [report for report in taint if self._same(report, claim)]
            self.marked.append((output, self.names[claim], value, value if own else 0))
            for report in own:
                del taint[report]
            if value:
                taint[min([claim, *own])] = value
        elif self.policy in ORDERED:
            self._mark_units(output, taint, claim, amount)
        else:
            self._mark_amount(output, taint, claim, amount)

    def _mark_units(self, output: int, taint: Taint, claim: int, amount: int) -> None:
        again = 0
        for unit in range(amount):
            owner = taint[unit]
            again += owner is not None and self._same(owner, claim)
            if owner is not None and not self._same(owner, claim):
                winner, loser = sorted((owner, claim))
                self.contested[output, self.names[loser], self.names[winner], ""] += 1
            taint[unit] = claim if owner is None else min(owner, claim)
        self.marked.append((output, self.names[claim], amount, again))

    def _mark_amount(self, output: int, taint: Taint, claim: int, amount: int) -> None:
        """One base unit after the other: its own first, then free ones, then the latest report's, then none."""
        own = sum(value for report, value in taint.items() if self._same(report, claim))
        old = sum(value for report, value in taint.items() if self._same(report, claim) and report <= claim)
        again = min(own, amount)
        for _ in range(again - old):  # what a later report of the same claim has is as old as this mark
            taint[max(other for other in taint if taint[other] and self._same(other, claim))] -= 1
            taint[claim] = taint.get(claim, 0) + 1
        lost: Counter[int] = Counter()
        for _ in range(amount - again):
            later = [other for other in taint if other > claim and taint[other] and not self._same(other, claim)]
            if sum(taint.values()) < self.values[output]:
                taint[claim] = taint.get(claim, 0) + 1
            elif later:
                taint[max(later)] -= 1
                taint[claim] = taint.get(claim, 0) + 1
                self.contested[output, self.names[max(later)], self.names[claim], ""] += 1
            else:
                earlier = [other for other in sorted(taint) if other < claim and not self._same(other, claim)]
                winner = next(other for other in earlier if lost[other] < taint[other])
                lost[winner] += 1
                self.contested[output, self.names[claim], self.names[winner], ""] += 1
        self.marked.append((output, self.names[claim], amount, again))


def _round_robin(slots: list[int]) -> Iterator[int]:
    while slots:
        yield from slots
