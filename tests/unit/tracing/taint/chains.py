"""Chains and questions made of choices: by Hypothesis, small, or by a seeded generator, longer.

Inputs from before the index, of known and unknown value; worthless outputs; coinbases that claim less than they could.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from strongroom_core.assets import BITCOIN_REGTEST
from strongroom_tracing.columns import COINBASE, Columns
from strongroom_tracing.taint.model import Direction, Fees, Limits, Mark, Policy, Question
from tests.unit.tracing import kit

Pick: TypeAlias = Callable[[int, int], int]  # a number from the first to the last

ADDRESSES = 5
LATE = (
    150 * 27
)  # regtest's subsidy is 37 here: a coinbase can claim less than it might, and rows of base units stay short
SUBSIDY = 50 * 10**8 >> LATE // 150


class _Maker:
    """A chain in the making."""

    def __init__(self, pick: Pick) -> None:
        self.pick = pick
        self.unspent: dict[int, int] = {}
        self.external: list[int] = []
        self.outputs = 0

    def value(self, most: int) -> int:
        """Pick a value: all, little, or anything."""
        kind = self.pick(0, 3)
        return most if kind == 0 else self.pick(0, min(most, 3) if kind == 1 else most)

    def coinbase(self, reserved: range, allowed: int) -> kit.Tx:
        """Claim up to what is allowed."""
        outputs = []
        for output in reserved:
            self.unspent[output] = self.value(allowed)
            allowed -= self.unspent[output]
            outputs.append((self.unspent[output], self.pick(0, ADDRESSES - 1)))
        return kit.Tx([COINBASE], outputs)

    def reserve(self, count: int) -> range:
        """Number some outputs."""
        self.outputs += count
        return range(self.outputs - count, self.outputs)

    def payment(self) -> tuple[kit.Tx, int]:
        """Spend some of what is there; give the fee too (0 where it cannot be known)."""
        spent, total, known = [], 0, True
        for _ in range(self.pick(1, 3)):
            if self.unspent and self.pick(0, 6):
                spent.append(sorted(self.unspent)[self.pick(0, len(self.unspent) - 1)])
                total += self.unspent.pop(spent[-1])
            else:
                self.external.append(self.pick(0, 40) if self.pick(0, 2) else -1)
                spent.append(-1 - len(self.external))
                known = known and self.external[-1] >= 0
                total += self.external[-1] if self.external[-1] >= 0 else self.pick(0, 40)
        paid = []
        for _ in range(self.pick(0, 4)):
            paid.append((self.value(total), self.pick(0, ADDRESSES - 1)))
            total -= paid[-1][0]
        if paid and total and self.pick(0, 3):
            kept = self.pick(0, min(total, 3))  # a small fee, or none
            paid[-1] = (paid[-1][0] + total - kept, paid[-1][1])
            total = kept
        self.unspent |= {output: value for output, (value, _) in zip(self.reserve(len(paid)), paid, strict=True)}
        return kit.Tx(spent, paid), total if known else 0


def columns(pick: Pick, blocks: int, txs: int) -> Columns:
    """Make a chain. On one without a known subsidy, new money is what the coinbase claims beyond the fees."""
    known = bool(pick(0, 1))
    maker, made = _Maker(pick), []
    for _ in range(pick((blocks + 1) // 2, blocks)):
        reserved = maker.reserve(pick(1, 2))
        payments = [maker.payment() for _ in range(pick(0, txs))]
        allowed = sum(fee for _, fee in payments) + (SUBSIDY if known else pick(0, 40))
        made.append([maker.coinbase(reserved, allowed), *(tx for tx, _ in payments)])
    chain = BITCOIN_REGTEST.id if known else "bip122:unheard"
    return kit.columns_of(made, external=maker.external, first_height=LATE if known else 7, chain=chain)


def marks(pick: Pick, made: Columns) -> tuple[Mark, ...]:
    """Mark some outputs, some of them again, for up to three claims that take turns."""
    picked: list[Mark] = []
    for _ in range(pick(1, 7)):
        again = picked and pick(0, 3) == 0
        output = picked[-1].output if again else pick(0, made.outputs - 1)
        value = int(made.output_value[output])
        amount = pick(1, value) if value and pick(0, 1) else None
        picked.append(Mark("ABC"[pick(0, 2)], output, amount))
    return tuple(picked)


def question(pick: Pick, made: Columns, policy: Policy, fees: Fees, direction: Direction) -> Question:
    """Ask something that a chain can answer."""
    stops = {address: f"service {address % 2}" for address in range(ADDRESSES) if pick(0, 11) == 0}
    limits = Limits(
        hops=pick(0, 5) if pick(0, 5) == 0 else None,
        smallest=pick(2, 10) if pick(0, 3) == 0 else 0,
        height=made.first_height + pick(0, made.blocks - 1) if pick(0, 5) == 0 else None,
    )
    return Question(policy, fees, direction, marks(pick, made), stops, limits)
