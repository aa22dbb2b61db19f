"""Money inside of a swap: what came in, until it goes out as something else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from strongroom_tracing.accounts.lots import Lot, joined, scaled, split
from strongroom_tracing.accounts.policies import claimed
from strongroom_tracing.accounts.steps import Crossing, Step
from strongroom_tracing.taint.model import Policy


def turned(policy: Policy, lots: Sequence[Lot], amount: int) -> list[Lot]:
    """Turn lots into ``amount`` of something else; under poison all of it is of every claim that had any."""
    if policy == Policy.POISON:
        claims = [Lot(claim, amount) for claim in claimed(lots)]
        return claims or [Lot(lots[0].source, amount)] if lots else []
    return scaled(lots, amount)


@dataclass(slots=True)
class Pot:
    """The lots of one swap. ``hops`` is the least of the moves by which a claim's money came in."""

    policy: Policy
    crossing: Crossing
    lots: list[Lot] = field(default_factory=list)
    hops: int | None = None
    _out: dict[int, list[Lot]] = field(default_factory=dict)

    def take(self, lots: Sequence[Lot], hops: int) -> None:
        """Take what one payment brought."""
        self.lots += lots
        if claimed(lots):
            self.hops = hops if self.hops is None else min(self.hops, hops)

    @property
    def kept(self) -> list[Lot]:
        """What the pool kept of it: the first that came; what it gave back came last."""
        if self.policy == Policy.POISON:
            return turned(self.policy, self.lots, self.crossing.net)
        return split(self.lots, self.crossing.net)[0]

    def give(self, step: Step) -> list[Lot]:
        """Give what one payment takes along; the pool's payments of an asset share in their order."""
        if self.policy == Policy.POISON:
            return turned(self.policy, self.lots, step.value)
        if step.payer_asset not in self._out:
            self._out[step.payer_asset] = self.all_of(step.payer_asset)
        given, self._out[step.payer_asset] = split(self._out[step.payer_asset], step.value)
        return joined(given)

    def all_of(self, asset: int) -> list[Lot]:
        """Give what all payments of an asset take along together."""
        if asset == self.crossing.asset_in:
            return split(self.lots, self.crossing.net)[1]
        return turned(self.policy, self.kept, sum(step.value for step in self.crossing.got[asset]))
