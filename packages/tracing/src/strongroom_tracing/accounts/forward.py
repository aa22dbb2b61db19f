"""Following marked money forward, in the order of the chain, touching only what it reaches.

A holding is watched from the first time that a claim's money comes to it, and from then on for good: every payment it
makes or gets matters. What came to it before is clean, since no claim had reached it; so its lots up to then are
made up at that moment, from its own rows alone. Sums are the same as if every holding of the chain were followed.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from strongroom_tracing.accounts.answer import AccountAnswer, Contested, Unknown
from strongroom_tracing.accounts.columns import NONE
from strongroom_tracing.accounts.lots import CLEAN, SHORT, UNKNOWN, Lot, by_source, joined
from strongroom_tracing.accounts.marking import marked
from strongroom_tracing.accounts.model import Bridge, Conversion, Question, Reason
from strongroom_tracing.accounts.policies import Holding, claimed, make_holding
from strongroom_tracing.accounts.pots import Hops, Pot, counted, nearer, turned
from strongroom_tracing.accounts.recording import Rows, read_question
from strongroom_tracing.accounts.steps import Key, Plan, Step, plan
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.taint.model import Policy

Progress = Callable[[int, int], None]
_REPORT_EVERY: Final = 256


@dataclass(slots=True)
class _Watched:
    """A holding that a claim's money came to; ``hops``: by claim, the least of the moves by which it did."""

    holding: Holding
    sides: list[int]
    hops: dict[int, int] = field(default_factory=dict)
    planned: dict[int, list[Lot]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Carried:
    """Money on its way over a bridge."""

    lots: list[Lot]
    hops: Hops
    paid_in: Step
    bridge: Bridge


class Forward:
    """One trace."""

    def __init__(self, transfers: Transfers, question: Question, progress: Progress | None) -> None:
        """Read the question. Raises ``QuestionError``, ``UnknownTransferError``."""
        self._data = transfers
        self._asked = read_question(transfers, question)
        self._rows = Rows(transfers, self._asked)
        self._policy, self._limits = question.policy, question.limits
        self._progress = progress
        self._watched: dict[Key, _Watched] = {}
        self._carried: dict[int, _Carried] = {}
        self._bridges = self._asked.bridged()
        self._due: list[int] = []
        self._queued: set[int] = set()
        self._pots: dict[int, Pot] = {}
        self._visited = 0

    def run(self) -> AccountAnswer:
        """Follow everything to its end."""
        for row in self._asked.marks:
            self._queue(self._data.tx_of(row))
        while self._due:
            tx = heapq.heappop(self._due)
            if self._beyond(tx):
                break
            self._visit(tx)
            if self._progress is not None and self._visited % _REPORT_EVERY == 0:
                self._progress(tx, self._data.txs)
        for carried in self._carried.values():
            claims = self._rows.by_claim(carried.lots)
            self._rows.add_left(carried.paid_in.target, carried.paid_in.row, Reason.BLOCK_LIMIT, claims)
        for key in sorted(self._watched):
            self._rows.add_held(key, self._watched[key].holding.lots())
        answer = self._rows.answer(self._visited)
        answer.check()
        return answer

    def _queue(self, tx: int) -> None:
        if tx not in self._queued:
            self._queued.add(tx)
            heapq.heappush(self._due, tx)

    def _beyond(self, tx: int) -> bool:
        last = self._limits.block
        return last is not None and self._data.height_of(self._data.rows_of_tx(tx)[0].number) > last

    def _visit(self, tx: int) -> None:
        self._visited += 1
        asked = self._asked
        this = plan(self._data, tx, asked.pools, self._bridges, swap_events=asked.question.swap_events)
        self._pots = {pool: Pot(self._policy, crossing) for pool, crossing in this.crossings.items()}
        for step in this.steps:
            self._follow(step)
        self._record_swaps(this)
        end = self._data.end_of_tx(tx) * 2
        for key in {key for step in this.steps for key in (step.source, step.target)}:
            watched = self._watched.get(key)
            if watched is not None:
                place = int(np.searchsorted(watched.sides, end))
                if place < len(watched.sides):
                    self._queue(self._data.tx_of(watched.sides[place] // 2))

    def _follow(self, step: Step) -> None:
        lots, hops = self._paid(step)
        if step.payer_asset != step.payee_asset and step.row * 2 not in self._bridges.sides:
            self._record_wrap(step, self._rows.by_claim(lots))
        if step.row in self._asked.marks:
            lots, hops = self._marked(step, lots), {**hops, **self._anew(step.row)}
        self._arrive(step, lots, hops)

    def _paid(self, step: Step) -> tuple[list[Lot], Hops]:
        """Give what a payment takes along, and how many moves each claim's money has made then."""
        carried = self._carried.pop(step.row, None)
        if carried is not None:
            return self._bridged(step, carried)
        if step.row * 2 in self._bridges.sides:  # nothing of a claim was paid in
            return [Lot(CLEAN, step.value)], {}
        pot = self._pots.get(step.payer)
        if pot is not None and pot.crossing.gives(step):
            return pot.give(step), counted(pot.hops, 1)
        watched = self._watched.get(step.source)
        if watched is None:
            return [Lot(CLEAN, step.value)], {}
        if step.row not in watched.planned:
            self._plan_run(step, watched)
        lots = watched.planned.pop(step.row)
        short = by_source(lots).get(SHORT, 0)
        if short:
            self._rows.unknown.append(Unknown(*self._rows.where(step.source), self._data.name(step.row), short))
        known = [Lot(UNKNOWN, lot.amount) if lot.source == SHORT else lot for lot in lots]
        lots = joined(known) if self._policy != Policy.POISON else known
        return lots, counted(watched.hops, int(step.payer != step.payee))

    def _plan_run(self, step: Step, watched: _Watched) -> None:
        """Let a holding pay: under TIHO together all that it pays in this chain tx before money comes in."""
        rows = [step.row]
        if self._policy == Policy.TIHO:
            end = self._data.end_of_tx(self._data.tx_of(step.row))
            place = int(np.searchsorted(watched.sides, step.row * 2)) + 1
            while place < len(watched.sides) and watched.sides[place] % 2 == 0 and watched.sides[place] // 2 < end:
                rows += [] if self._is_given(watched.sides[place] // 2) else [watched.sides[place] // 2]
                place += 1
        paid = watched.holding.pay([self._data.value(row) for row in rows])
        watched.planned.update(zip(rows, paid, strict=True))

    def _is_given(self, row: int) -> bool:
        """Whether a swap pays a row, and not the holding of the pool that it goes from."""
        this = self._data.at(row)
        return this.payer in self._pots and self._pots[this.payer].crossing.gives(this)

    def _marked(self, step: Step, lots: list[Lot]) -> list[Lot]:
        asset = self._data.numbers.asset(step.payee_asset)
        name = self._data.name(step.row)
        claim_of, sums = self._asked.claim_of, Counter[tuple[int, int]]()
        for report, amount in sorted(self._asked.marks[step.row]):
            lots, put, lost = marked(self._policy, lots, report, amount, claim_of)
            self._rows.marked[self._rows.claim(claim_of[report]), asset] += put
            for loser, winner, value in lost:
                sums[claim_of[loser], claim_of[winner]] += value
        for (loser, winner), value in sums.items():
            names = self._rows.claim(loser), self._rows.claim(winner)
            self._rows.contested.append(Contested(name, asset, *names, value))
        return lots

    def _anew(self, row: int) -> Hops:
        """Count the moves of the claims that mark a row from there; those of others are none the shorter."""
        return {self._asked.claim_of[report]: 0 for report, _ in self._asked.marks[row]}

    def _arrive(self, step: Step, lots: list[Lot], hops: Hops) -> None:
        claims = self._rows.by_claim(lots)
        hops = {claim: hops[claim] for claim in claims}
        if step.payee == NONE:
            self._rows.add_gas(step, claims)
            return
        if claims:
            self._rows.add_moves(step, claims)
        if step.row in self._asked.bridges_in:
            self._onto_bridge(step, lots, hops)
            return
        pot = self._pots.get(step.payee)
        if pot is not None and pot.crossing.takes(step):
            pot.take(lots, hops)
            return
        label = self._service(step)
        if label is not None:
            self._rows.add_service(label, step.target, step.row, claims)
            return
        self._deliver(step, lots, hops)

    def _record_wrap(self, step: Step, claims: Mapping[int, int]) -> None:
        coin = self._data.chain_number(step.row)  # assets begin with each chain's coin
        kind = Conversion.UNWRAP if step.payee_asset == coin else Conversion.WRAP
        amounts = {claim: (value, value) for claim, value in claims.items()}
        self._rows.add_converted(step.row, kind, step.source, step.payee_asset, amounts)

    def _service(self, step: Step) -> str | None:
        label = self._asked.stops.get((self._data.chain_number(step.row), step.payee))
        return label if label is not None else self._asked.pools.get(step.payee)

    def _deliver(self, step: Step, lots: list[Lot], hops: Hops) -> None:
        claims = self._rows.by_claim(lots)
        reasons = self._reasons(step, claims, hops)
        for claim, reason in reasons.items():
            self._rows.add_left(step.target, step.row, reason, {claim: claims[claim]})
        if reasons:
            ended = {report for report in claimed(lots) if self._asked.claim_of[report] in reasons}
            lots = joined(Lot(CLEAN, lot.amount) if lot.source in ended else lot for lot in lots)
        watched = self._watched.get(step.target)
        if len(reasons) < len(claims):
            watched = watched or self._watch(step)
            nearer(watched.hops, {claim: hops[claim] for claim in claims if claim not in reasons})
        if watched is not None:
            watched.holding.add(lots, step.value)

    def _reasons(self, step: Step, claims: Mapping[int, int], hops: Hops) -> dict[int, Reason]:
        """Say of each claim why it is not followed here, where it is not."""
        limits = self._limits
        far = [claim for claim in claims if limits.hops is not None and hops[claim] > limits.hops]
        reasons = dict.fromkeys(far, Reason.HOP_LIMIT)
        known = limits.transfers is None or step.target in self._watched or len(far) == len(claims)
        if not known and self._data.is_busy(*step.target, limits.transfers or 0):
            return dict.fromkeys(claims, Reason.BUSY) | reasons
        least = limits.smallest.get(self._data.numbers.asset(step.payee_asset), 0)
        return {claim: Reason.BELOW_THRESHOLD for claim, value in claims.items() if value < least} | reasons

    def _watch(self, step: Step) -> _Watched:
        """Begin to watch a holding: make up its lots from what it did before this payment came in."""
        holding = make_holding(self._policy)
        opening = self._asked.openings.get(step.target, 0)
        if opening:
            holding.add([Lot(UNKNOWN, opening)], opening)
        sides = [side for side in self._data.sides(*step.target).tolist() if side not in self._bridges.sides]
        for side in sides[: int(np.searchsorted(sides, step.row * 2 + 1))]:
            value = self._data.value(side // 2)
            if side % 2:
                holding.add([Lot(CLEAN, value)], value)
            else:
                holding.pay([value])
        watched = _Watched(holding, sides)
        self._watched[step.target] = watched
        self._rows.touch(step.payee, step.row)
        return watched

    def _record_swaps(self, this: Plan) -> None:
        for pool, crossing in this.crossings.items():
            pot = self._pots[pool]
            paid = self._rows.by_claim(pot.kept)
            if not paid:
                continue
            spread = list(crossing.got)
            for place, asset in enumerate(spread):
                got = self._rows.by_claim(pot.all_of(asset))
                # The first leg stands for what was paid in; with several assets out the others add what they gave.
                amounts = {claim: (paid[claim] if place == 0 else 0, got.get(claim, 0)) for claim in paid}
                first = crossing.got[asset][0]
                self._rows.add_converted(first.row, Conversion.SWAP, (pool, crossing.asset_in), asset, amounts)

    def _onto_bridge(self, step: Step, lots: list[Lot], hops: Hops) -> None:
        out, bridge = self._asked.bridges_in[step.row]
        if claimed(lots):
            self._carried[out] = _Carried(lots, hops, step, bridge)
            self._queue(self._data.tx_of(out))

    def _bridged(self, step: Step, carried: _Carried) -> tuple[list[Lot], Hops]:
        lots = turned(self._policy, [carried.lots], step.value)
        paid, got = self._rows.by_claim(carried.lots), self._rows.by_claim(lots)
        amounts = {claim: (paid[claim], got.get(claim, 0)) for claim in paid}
        asset = step.payee_asset
        self._rows.add_converted(step.row, Conversion.BRIDGE, carried.paid_in.target, asset, amounts, carried.bridge)
        return lots, counted(carried.hops, 1)
