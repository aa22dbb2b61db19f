"""Money inside of a swap: what came in, until it goes out as something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from strongroom_tracing.accounts.lots import Lot, joined, scaled, split, total
from strongroom_tracing.accounts.policies import claimed
from strongroom_tracing.accounts.steps import Crossing, Step
from strongroom_tracing.taint.model import Policy

Hops = Mapping[int, int]  # by claim: how many moves its money made, each claim's counted from its own nearest mark


def turned(policy: Policy, payments: Sequence[Sequence[Lot]], amount: int) -> list[Lot]:
    """Turn the lots of payments into ``amount`` of another asset; by poison all is of every claim that had any."""
    if policy == Policy.POISON:
        lots = [lot for payment in payments for lot in payment]
        claims = [Lot(claim, amount) for claim in claimed(lots)]
        return claims or [Lot(lots[0].source, amount)] if lots else []
    return scaled(payments, amount)


def counted(hops: Hops, more: int) -> Hops:
    """Count further moves."""
    return {claim: count + more for claim, count in hops.items()}


def nearer(known: dict[int, int], hops: Hops) -> None:
    """Keep, of each claim, the least of the moves by which its money came."""
    for claim, count in hops.items():
        known[claim] = min(count, known.get(claim, count))


@dataclass(slots=True)
class Pot:
    """The lots of one swap. ``hops``: by claim, the least of the moves by which its money came in."""

    policy: Policy
    crossing: Crossing
    payments: list[Sequence[Lot]] = field(default_factory=list)
    hops: dict[int, int] = field(default_factory=dict)
    _out: dict[int, list[Lot]] = field(default_factory=dict)

    def take(self, lots: Sequence[Lot], hops: Hops) -> None:
        """Take what one payment brought."""
        self.payments.append(lots)
        nearer(self.hops, hops)

    @property
    def kept(self) -> list[Lot]:
        """What the pool kept of it: the first that came; what it gave back came last."""
        if self.policy == Policy.POISON:
            return turned(self.policy, self.payments, self.crossing.net)
        return [lot for lots in self._parted()[0] for lot in lots]

    def _parted(self) -> tuple[list[list[Lot]], list[Lot]]:
        """Part what came into the pool's share, by payment, and the rest."""
        kept, rest, wanted = list[list[Lot]](), list[Lot](), self.crossing.net
        for lots in self.payments:
            front, back = split(lots, wanted)
            kept.append(front)
            rest += back
            wanted -= total(front)
        return kept, rest

    def give(self, step: Step) -> list[Lot]:
        """Give what one payment takes along; the pool's payments of an asset share in their order."""
        if self.policy == Policy.POISON:
            return turned(self.policy, self.payments, step.value)
        if step.payer_asset not in self._out:
            self._out[step.payer_asset] = self.all_of(step.payer_asset)
        given, self._out[step.payer_asset] = split(self._out[step.payer_asset], step.value)
        return joined(given)

    def all_of(self, asset: int) -> list[Lot]:
        """Give what all payments of an asset take along together."""
        if asset == self.crossing.asset_in:
            return self._parted()[1]
        kept = [self.kept] if self.policy == Policy.POISON else self._parted()[0]
        return turned(self.policy, kept, sum(step.value for step in self.crossing.got[asset]))
