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
from dataclasses import dataclass

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

    def gives(self, step: Step) -> bool:
        """Whether a step pays out what the swap gave, or gave back."""
        theirs = step.payer_asset == self.asset_in or step.payer_asset in self.got
        return step.payer == self.pool != step.payee and theirs


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a chain tx in the order in which they are followed, and its swaps by pool."""

    steps: tuple[Step, ...]
    crossings: Mapping[int, Crossing]


def plan(transfers: Transfers, tx: int, pools: Collection[int], bridged: Collection[int], *, swap_events: bool) -> Plan:
    """Read a chain tx. ``bridged``: what is no part of a swap (``Asked.bridged_sides``)."""
    rows = transfers.rows_of_tx(tx)
    here = set(pools)
    if swap_events:
        here |= {row.sender for row in rows if row.kind == Kind.SWAP}
    nobody = transfers.numbers.address(NOBODY)
    steps = [_step(transfers, row, here, nobody) for row in rows if row.moves]
    crossings = {}
    for pool in sorted(here):
        into = [step for step in steps if step.payee == pool != step.payer and step.row * 2 + 1 not in bridged]
        out = [step for step in steps if step.payer == pool != step.payee and step.row * 2 not in bridged]
        found = _crossing(transfers, pool, into, out)  # what a pool wraps for itself is its own affair
        if found is not None:
            crossings[pool] = found
    return Plan(tuple(_arranged(steps, crossings)), crossings)


def _step(transfers: Transfers, row: Row, pools: Collection[int], nobody: int) -> Step:
    payer, payee = row.payer, row.payee
    if row.kind == Kind.TOKEN:
        maker = transfers.numbers.contract_of(row.payer_asset)
        if payer == NONE and maker in pools:
            payer = maker
        elif payee == nobody and maker in pools:
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


def _arranged(steps: list[Step], crossings: dict[int, Crossing]) -> list[Step]:
    """Put what a pool pays behind what it is paid with; drops crossings that cannot be so arranged."""
    if not crossings:
        return steps
    left, done = steps, list[Step]()
    due = {pool: {step.row for step in crossing.paid} for pool, crossing in crossings.items()}
    while left:
        later = _pass(left, done, crossings, due)
        if len(later) == len(left):
            first = next(step for step in left if step.payer in crossings and due[step.payer])
            del crossings[first.payer]
        left = later
    return done


def _pass(
    left: Sequence[Step], done: list[Step], crossings: Mapping[int, Crossing], due: Mapping[int, set[int]]
) -> list[Step]:
    later: list[Step] = []
    blocked: set[Key] = set()
    for step in left:
        sides = {side for side in (step.source, step.target) if side[0] != NONE and side[0] not in crossings}
        if (_leaves(step, crossings) and due[step.payer]) or sides & blocked:
            later.append(step)
            blocked |= sides
            continue
        done.append(step)
        if step.payee in crossings:
            due[step.payee].discard(step.row)
    return later


def _leaves(step: Step, crossings: Mapping[int, Crossing]) -> bool:
    crossing = crossings.get(step.payer)
    return crossing is not None and crossing.gives(step)
