"""Following marked money backward: which payments it was made of, until nothing known stands before.

It is the transpose of following forward: each payment is taken apart into the incoming payments of its payer that left
with it (trails.py), from the latest to the earliest.
"""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from typing import Final

import numpy as np

from strongroom_tracing.accounts.answer import AccountAnswer
from strongroom_tracing.accounts.columns import NONE
from strongroom_tracing.accounts.forward import Progress
from strongroom_tracing.accounts.lots import OPENING, Lot, split
from strongroom_tracing.accounts.model import Conversion, Origin, Question, Reason
from strongroom_tracing.accounts.pots import Hops, counted, nearer
from strongroom_tracing.accounts.recording import Rows, read_question
from strongroom_tracing.accounts.steps import Crossing, Key, Plan, Step, plan, step_of
from strongroom_tracing.accounts.trails import trail
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.accounts.wants import Want, by_claim, in_proportion, passed_on
from strongroom_tracing.taint.model import Policy

_REPORT_EVERY: Final = 256


class Backward:
    """One trace."""

    def __init__(self, transfers: Transfers, question: Question, progress: Progress | None) -> None:
        """Read the question. Raises ``QuestionError``, ``UnknownTransferError``."""
        self._data = transfers
        self._asked = read_question(transfers, question)
        self._rows = Rows(transfers, self._asked)
        self._policy, self._limits = question.policy, question.limits
        self._progress = progress
        self._bridges = {out: (paid, bridge) for paid, (out, bridge) in self._asked.bridges_in.items()}
        self._bridged = self._asked.bridged()
        self._wants: dict[int, list[Want]] = defaultdict(list)
        self._hops: dict[int, dict[int, int]] = defaultdict(dict)  # row -> claim -> moves from its own nearest mark
        self._trails: dict[Key, dict[int, list[Lot]]] = {}
        self._due: list[int] = []
        self._queued: set[int] = set()
        self._visited = 0

    def run(self) -> AccountAnswer:
        """Follow everything to its beginning."""
        for row, marks in self._asked.marks.items():
            asset = self._data.numbers.asset(self._data.at(row).payee_asset)
            for claim, amount in ((self._asked.claim_of[report], amount) for report, amount in marks):
                self._rows.marked[self._rows.claim(claim), asset] += amount
                self._want(row, [Want(claim, 0, amount)], {claim: 0})
        while self._due:
            tx = -heapq.heappop(self._due)
            self._visited += 1
            asked = self._asked
            this = plan(self._data, tx, asked.pools, self._bridged, swap_events=asked.question.swap_events)
            for step in reversed(this.steps):
                wants = self._wants.pop(step.row, None)
                if wants:
                    self._follow(this, step, wants)
            if self._progress is not None and self._visited % _REPORT_EVERY == 0:
                self._progress(self._data.txs - tx, self._data.txs)
        answer = self._rows.answer(self._visited, backward=True)
        answer.check()
        return answer

    def _want(self, row: int, wants: list[Want], hops: Hops) -> None:
        nearer(self._hops[row], {want.claim: hops[want.claim] for want in wants})
        if self._policy == Policy.POISON:  # whole payments, once for each claim
            whole, have = self._data.value(row), {want.claim for want in self._wants[row]}
            wants = [Want(claim, 0, whole) for claim in by_claim(wants) if claim not in have]
        self._wants[row] += wants
        tx = self._data.tx_of(row)
        if tx not in self._queued:
            self._queued.add(tx)
            heapq.heappush(self._due, -tx)

    def _follow(self, this: Plan, step: Step, wants: list[Want]) -> None:
        claims = by_claim(wants)
        self._rows.add_moves(step, claims)
        if step.row in self._bridges:  # which may make what it pays
            self._over_bridge(step, wants)
            return
        if step.payer == NONE:
            self._rows.add_source(step.target, step.row, Origin.ISSUED, claims)
            return
        crossing = this.crossings.get(step.payer)
        if crossing is not None and crossing.gives(step):
            through = self._given_back if step.payer_asset == crossing.asset_in else self._through_swap
            through(step, crossing, wants)
            return
        label = self._service(step)
        if label is not None:
            self._rows.add_service(label, (step.payer, step.payee_asset), step.row, claims)
            return
        self._through_holding(step, wants)

    def _service(self, step: Step) -> str | None:
        label = self._asked.stops.get((self._data.chain_number(step.row), step.payer))
        return label if label is not None else self._asked.pools.get(step.payer)

    def _through_holding(self, step: Step, wants: list[Want]) -> None:
        if step.payer_asset != step.payee_asset:
            coin = self._data.chain_number(step.row)  # assets begin with each chain's coin
            kind = Conversion.UNWRAP if step.payee_asset == coin else Conversion.WRAP
            amounts = {claim: (value, value) for claim, value in by_claim(wants).items()}
            self._rows.add_converted(step.row, kind, step.source, step.payee_asset, amounts)
        hops = counted(self._hops[step.row], int(step.payer != step.payee))
        wants = self._within_limits(step, wants, hops)
        if not wants:
            return
        self._rows.touch(step.payer, step.row)
        for source, want in passed_on(self._policy, wants, self._trail(step)[step.row]):
            if source >= 0:
                self._send_on(step.source, source, want, hops)
            else:
                origin = Origin.OPENING if source == OPENING else Origin.UNKNOWN
                self._rows.add_source(step.source, step.row, origin, {want.claim: want.amount})

    def _send_on(self, key: Key, row: int, want: Want, hops: Hops) -> None:
        if self._is_before_first(row):
            self._rows.add_left(key, row, Reason.BLOCK_LIMIT, {want.claim: want.amount})
        else:
            self._want(row, [want], hops)

    def _is_before_first(self, row: int) -> bool:
        first = self._limits.block
        return first is not None and self._data.height_of(row) < first

    def _within_limits(self, step: Step, wants: list[Want], hops: Hops) -> list[Want]:
        limits, claims = self._limits, by_claim(wants)
        least = limits.smallest.get(self._data.numbers.asset(step.payer_asset), 0)
        reasons = {claim: Reason.BELOW_THRESHOLD for claim, value in claims.items() if value < least}
        if limits.transfers is not None and self._data.is_busy(*step.source, limits.transfers):
            reasons = dict.fromkeys(claims, Reason.BUSY)
        if limits.hops is not None:
            reasons |= {claim: Reason.HOP_LIMIT for claim in claims if hops[claim] > limits.hops}
        for claim, reason in reasons.items():
            self._rows.add_left(step.source, step.row, reason, {claim: claims[claim]})
        return [want for want in wants if want.claim not in reasons]

    def _trail(self, step: Step) -> dict[int, list[Lot]]:
        if step.source not in self._trails:
            sides = self._data.sides(*step.source)
            until = int(np.searchsorted(sides, step.row * 2, "right"))  # later ones were looked at before
            own = [side for side in sides[:until].tolist() if side not in self._bridged.sides]
            opening = self._asked.openings.get(step.source, 0)
            self._trails[step.source] = trail(self._policy, self._data, own, opening)
        return self._trails[step.source]

    def _through_swap(self, step: Step, crossing: Crossing, wants: list[Want]) -> None:
        whole = sum(other.value for other in crossing.got[step.payer_asset])
        parts = [paid.value for paid in crossing.paid]
        kept = _first(parts, crossing.net)
        found = in_proportion(self._policy, wants, kept, whole)
        paid_by = by_claim(want for wanted in found for want in wanted)
        amounts = {claim: (paid_by.get(claim, 0), value) for claim, value in by_claim(wants).items()}
        key = (crossing.pool, crossing.asset_in)
        self._rows.add_converted(step.row, Conversion.SWAP, key, step.payer_asset, amounts)
        for paid, wanted in zip(crossing.paid, found, strict=True):
            if wanted:
                self._want(paid.row, wanted, counted(self._hops[step.row], 1))

    def _given_back(self, step: Step, crossing: Crossing, wants: list[Want]) -> None:
        """What a pool gave back is of what was paid in last; see Pot.kept."""
        before = itertools.takewhile(lambda other: other.row != step.row, crossing.back)
        place = crossing.net + sum(other.value for other in before)
        _, rest = split([Lot(paid.row, paid.value) for paid in crossing.paid], place)
        made_of, _ = split(rest, step.value)
        policy = Policy.HAIRCUT if self._policy == Policy.TIHO else self._policy  # nothing is the highest here
        for row, want in passed_on(policy, wants, made_of):
            self._want(row, [want], counted(self._hops[step.row], 1))

    def _over_bridge(self, step: Step, wants: list[Want]) -> None:
        row, bridge = self._bridges[step.row]
        if self._is_before_first(row):
            self._rows.add_left((step.payer, step.payee_asset), row, Reason.BLOCK_LIMIT, by_claim(wants))
            return
        paid_in = step_of(self._data, self._data.at(row), self._asked.pools)
        found = in_proportion(self._policy, wants, [paid_in.value], step.value)[0]
        paid_by = by_claim(found)
        amounts = {claim: (paid_by.get(claim, 0), got) for claim, got in by_claim(wants).items()}
        self._rows.add_converted(step.row, Conversion.BRIDGE, paid_in.target, step.payee_asset, amounts, bridge)
        if found:
            self._want(row, found, counted(self._hops[step.row], 1))


def _first(parts: list[int], amount: int) -> list[int]:
    """Cut a list of amounts to its first ``amount`` units."""
    kept = []
    for part in parts:
        kept.append(min(part, amount))
        amount -= kept[-1]
    return kept
