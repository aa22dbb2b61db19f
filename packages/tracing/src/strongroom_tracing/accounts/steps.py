"""The steps of one chain tx: who pays whom what, with swaps recognised and put into an order that can be followed.

A swap is recognised at a pool: within one chain tx the pool nets a gain of exactly one asset and a loss of others. What
came in is turned into what went out, in proportion, whoever it came from and went to (a router, the next pool). With
two assets gained nothing says which became what, and nothing is followed through. A pool may pay before it is paid
(flash swaps, and Uniswap from version 3 on); its payment then waits here for what it was paid with, and with it
whatever depends on it. Where two pools wait for each other, the swap of the one that stands first is not followed.

A token that a pool itself makes or destroys (from or to the zero address) counts as paid by it or to it: so staking and
redeeming are followed, where the question names the contract as a pool.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from strongroom_tracing.accounts.columns import NONE
from strongroom_tracing.accounts.model import NOBODY, Kind
from strongroom_tracing.accounts.rows import Row
from strongroom_tracing.accounts.transfers import Transfers

Key = tuple[int, int]  # a holding: address number, asset number


@dataclass(frozen=True, slots=True)
class Step:
    """A row that moves money. ``payer`` and ``payee`` are address numbers, ``NONE`` for nobody."""

    row: int
    payer: int
    payer_asset: int
    payee: int
    payee_asset: int
    value: int

    @property
    def source(self) -> Key:
        """The holding that pays."""
        return self.payer, self.payer_asset

    @property
    def target(self) -> Key:
        """The holding that is paid."""
        return self.payee, self.payee_asset


@dataclass(frozen=True, slots=True)
class Crossing:
    """A swap at a pool: what came in of one asset, what of it went back, and what went out of others."""

    pool: int
    paid: tuple[Step, ...]
    back: tuple[Step, ...]
    got: Mapping[int, tuple[Step, ...]]

    @property
    def asset_in(self) -> int:
        """The asset that was paid in."""
        return self.paid[0].payee_asset

    @property
    def net(self) -> int:
        """How much of it the pool kept."""
        return sum(step.value for step in self.paid) - sum(step.value for step in self.back)

    def takes(self, step: Step) -> bool:
        """Whether a step is part of what was paid in."""
        return step.target == (self.pool, self.asset_in) and step.payer != self.pool

    def gives(self, step: Step | Row) -> bool:
        """Whether a step pays out what the swap gave, or gave back."""
        theirs = step.payer_asset == self.asset_in or step.payer_asset in self.got
        return step.payer == self.pool != step.payee and theirs

    def in_order_of(self, place: Mapping[int, int]) -> Crossing:
        """Put what was paid in and given back into the order in which it is followed, by row."""
        paid, back = (tuple(sorted(steps, key=lambda step: place[step.row])) for steps in (self.paid, self.back))
        return replace(self, paid=paid, back=back)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a chain tx in the order in which they are followed, and its swaps by pool."""

    steps: tuple[Step, ...]
    crossings: Mapping[int, Crossing]


@dataclass(frozen=True, slots=True)
class Bridged:
    """What bridges take along: it comes to no holding or pool, and from none.

    ``paid_in``: by the row that a bridge pays, the row that it is paid. ``sides``, as in ``Transfers.sides``:
    ``row * 2 + 1`` as it comes in, ``row * 2`` as it goes out.
    """

    paid_in: Mapping[int, int]
    sides: frozenset[int]

    @classmethod
    def of(cls, paid_in: Mapping[int, int]) -> Bridged:
        """Take the rows that bridges pay, each with the row that it was paid."""
        return cls(paid_in, frozenset(side for out, paid in paid_in.items() for side in (paid * 2 + 1, out * 2)))


def plan(transfers: Transfers, tx: int, pools: Collection[int], bridged: Bridged, *, swap_events: bool) -> Plan:
    """Read a chain tx."""
    rows = transfers.rows_of_tx(tx)
    here = set(pools)
    if swap_events:
        here |= {row.sender for row in rows if row.kind == Kind.SWAP}
    steps = [step_of(transfers, row, here) for row in rows if row.moves]
    crossings = {}
    for pool in sorted(here):
        into = [step for step in steps if step.payee == pool != step.payer and step.row * 2 + 1 not in bridged.sides]
        out = [step for step in steps if step.payer == pool != step.payee and step.row * 2 not in bridged.sides]
        found = _crossing(transfers, pool, into, out)  # what a pool wraps for itself is its own affair
        if found is not None:
            crossings[pool] = found
    order = _arranged(steps, crossings, pools, bridged) if crossings else steps
    if len(here) > len(pools):  # who only emits an exchange's event makes and destroys tokens as anybody does
        plain = {row.number: step_of(transfers, row, pools) for row in rows if row.moves}
        order = [step if _swapped(step, crossings) else plain[step.row] for step in order]
    place = {step.row: number for number, step in enumerate(order)} if crossings else {}
    return Plan(tuple(order), {pool: found.in_order_of(place) for pool, found in crossings.items()})


def step_of(transfers: Transfers, row: Row, pools: Collection[int]) -> Step:
    """Say who pays whom with a row; what a pool makes or destroys is paid by it or to it."""
    payer, payee = row.payer, row.payee
    maker = transfers.numbers.contract_of(row.payer_asset) if row.kind == Kind.TOKEN else NONE
    if maker in pools:
        if payer == NONE:
            payer = maker
        elif payee == transfers.numbers.address(NOBODY):
            payee = maker
    return Step(row.number, payer, row.payer_asset, payee, row.payee_asset, row.value)


def _crossing(transfers: Transfers, pool: int, into: Sequence[Step], out: Sequence[Step]) -> Crossing | None:
    net: dict[int, int] = defaultdict(int)
    for step in into:
        net[step.payee_asset] += step.value
    for step in out:
        net[step.payer_asset] -= step.value
    gained = [asset for asset in net if net[asset] > 0]
    lost = sorted((asset for asset in net if net[asset] < 0), key=transfers.numbers.rank)
    if len(gained) != 1 or not lost:
        return None
    return Crossing(
        pool,
        tuple(step for step in into if step.payee_asset == gained[0]),
        tuple(step for step in out if step.payer_asset == gained[0]),
        {asset: tuple(step for step in out if step.payer_asset == asset) for asset in lost},
    )


def _arranged(
    steps: list[Step], crossings: dict[int, Crossing], pools: Collection[int], bridged: Bridged
) -> list[Step]:
    """Put what a pool or a bridge pays behind what it is paid with; drops crossings that cannot be so arranged."""
    while True:
        line = _Line(steps, crossings, pools, bridged)
        while line.waiting and line.passes():
            pass
        if not line.waiting:
            return line.done
        del crossings[
            line.waiting[0].payer
        ]  # a bridge pays after it is paid, so that what stands first waits for a pool


class _Line:
    """The steps of a chain tx, let through as soon as they wait neither for their pool or bridge nor for a holding."""

    def __init__(
        self, steps: list[Step], crossings: Mapping[int, Crossing], pools: Collection[int], bridged: Bridged
    ) -> None:
        self.waiting, self.done = steps, list[Step]()
        self._crossings, self._pools, self._bridged = crossings, pools, bridged
        self._due = {pool: {step.row for step in crossing.paid} for pool, crossing in crossings.items()}
        self._open = {step.row for step in steps}

    def passes(self) -> bool:
        """Let through what does not wait, in order; false where nothing moved."""
        later: list[Step] = []
        blocked: set[Key] = set()
        for step in self.waiting:
            holdings = self._holdings(step)
            if self._waits(step) or holdings & blocked:
                later.append(step)
                blocked |= holdings
                continue
            self.done.append(step)
            self._open.discard(step.row)
            if step.payee in self._due:
                self._due[step.payee].discard(step.row)
        moved = len(later) < len(self.waiting)
        self.waiting = later
        return moved

    def _waits(self, step: Step) -> bool:
        if step.row in self._bridged.paid_in:
            return self._bridged.paid_in[step.row] in self._open
        return _leaves(step, self._crossings) and bool(self._due[step.payer])

    def _holdings(self, step: Step) -> set[Key]:
        """Give the holdings that a step draws from and adds to: their rows stay in order."""
        found = set()
        if not (step.payer == NONE or step.payer in self._pools or step.row * 2 in self._bridged.sides):
            found |= set() if _leaves(step, self._crossings) else {step.source}
        if not (step.payee == NONE or step.payee in self._pools or step.row * 2 + 1 in self._bridged.sides):
            found |= set() if _comes(step, self._crossings) else {step.target}
        return found


def _leaves(step: Step, crossings: Mapping[int, Crossing]) -> bool:
    crossing = crossings.get(step.payer)
    return crossing is not None and crossing.gives(step)


def _comes(step: Step, crossings: Mapping[int, Crossing]) -> bool:
    crossing = crossings.get(step.payee)
    return crossing is not None and crossing.takes(step)


def _swapped(step: Step, crossings: Mapping[int, Crossing]) -> bool:
    return _leaves(step, crossings) or _comes(step, crossings)
