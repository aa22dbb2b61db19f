"""Deposits once more, in plain Python: what a chain's history puts in the books. No code of the product's."""

from __future__ import annotations

from dataclasses import dataclass, field

MINIMUM = 1_000
FEE_PPM = 10_000
SMALL_TIER = (50_000, 1)  # up to this amount, so many blocks; above it three
BLOCKS_ABOVE = 3
MATURITY = 4


@dataclass
class Payment:
    """One output to a merchant; ``height`` None: in no block."""

    merchant: int
    amount: int
    coinbase: bool = False
    height: int | None = None
    credited: bool = False
    credits: int = 0
    reversals: int = 0

    @property
    def net(self) -> int:
        fee, rest = divmod(self.amount * FEE_PPM, 1_000_000)
        return self.amount - fee - (1 if rest else 0)

    @property
    def needed(self) -> int:
        blocks = SMALL_TIER[1] if self.amount <= SMALL_TIER[0] else BLOCKS_ABOVE
        return max(blocks, MATURITY) if self.coinbase else blocks


@dataclass
class Model:
    """All payments, and what merchants spent."""

    tip: int
    payments: dict[str, Payment] = field(default_factory=dict)
    orphaned: set[str] = field(default_factory=set)  # since the last step
    spent: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0})
    may_credit: bool = True

    def connect(self, txids: list[str]) -> None:
        self.tip += 1
        for txid in txids:
            self.payments[txid].height = self.tip

    def disconnect(self, txids: list[str]) -> None:
        self.tip -= 1
        for txid in txids:
            self.payments[txid].height = None
            self.orphaned.add(txid)

    def step(self) -> None:
        """What one step of the worker has to make of all that happened since the last."""
        for txid in self.orphaned:
            payment = self.payments[txid]
            if payment.credited:
                payment.credited = False
                payment.reversals += 1
        self.orphaned.clear()
        if self.may_credit:
            for payment in self._due():
                payment.credited = True
                payment.credits += 1

    def _due(self) -> list[Payment]:
        deep = [
            item
            for item in self.payments.values()
            if not item.credited and item.height is not None and self.tip - item.height + 1 >= item.needed
        ]
        due = [item for item in deep if item.amount >= MINIMUM]
        for merchant in self.spent:
            small = [item for item in deep if item.amount < MINIMUM and item.merchant == merchant]
            if sum(item.amount for item in small) >= MINIMUM:
                due += small
        return due

    def worth(self, merchant: int) -> int:
        """Available less owed."""
        mine = [item for item in self.payments.values() if item.merchant == merchant and item.credited]
        return sum(item.net for item in mine) - self.spent[merchant]
