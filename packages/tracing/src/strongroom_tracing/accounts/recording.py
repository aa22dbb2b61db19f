"""The rows of an answer as they are found, and the question read against the index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from strongroom_tracing.accounts.answer import (
    AccountAnswer,
    AtService,
    Contested,
    Converted,
    Gas,
    Held,
    IgnoredTransfer,
    Left,
    Marked,
    Move,
    Source,
    Unknown,
)
from strongroom_tracing.accounts.errors import OutOfRangeError, QuestionError
from strongroom_tracing.accounts.lots import Lot
from strongroom_tracing.accounts.model import Bridge, Conversion, Kind, Limits, Mark, Question
from strongroom_tracing.accounts.policies import claimed
from strongroom_tracing.accounts.steps import Bridged, Key, Step
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.taint.model import Policy

_PERCENT = range(101)
_COUNTS = range(2**62 + 1)  # as on chains of coins; no chain comes near
_AMOUNTS = range(2**256)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in numbers: marks by row in the order of report, services and pools by address, bridges by row.

    Marks of one claim between which none of another stands are one report; its number is its age (decision 0117).
    """

    question: Question
    claims: tuple[str, ...]
    claim_of: tuple[int, ...]  # report -> claim
    marks: Mapping[int, list[tuple[int, int]]]  # row -> (report, amount)
    stops: Mapping[Key, str]  # (chain, address) -> label
    pools: Mapping[int, str]
    bridges_in: Mapping[int, tuple[int, Bridge]]  # row of paid_in -> row of paid_out
    openings: Mapping[Key, int]

    def bridged(self) -> Bridged:
        """Give what bridges take along. What one pays is what it was paid, whosever that is."""
        return Bridged.of({out: paid for paid, (out, _) in self.bridges_in.items()})


def read_question(transfers: Transfers, question: Question) -> Asked:
    """Look up what a question names. Raises ``QuestionError`` (also ``OutOfRangeError``), ``UnknownTransferError``."""
    _check_limits(question.limits)
    claims = tuple(dict.fromkeys(mark.claim for mark in question.marks))
    reports = _reports(question)
    marks: dict[int, list[tuple[int, int]]] = {}
    for number, (_, report) in enumerate(reports):
        for mark in report:
            row, amount = _mark(transfers, mark)
            marks.setdefault(row, []).append((number, amount))
    if question.limits.block is not None and len(transfers.chains) > 1:
        message = "a limit by block makes sense for one chain only: ask one chain, or leave limits.block out"
        raise QuestionError(message)
    pools = {at[1]: label for text, label in sorted(question.pools.items()) for at in _places(transfers, text)}
    stops = {at: label for text, label in sorted(question.stops.items()) for at in _places(transfers, text)}
    numbers = {claim: number for number, claim in enumerate(claims)}
    claim_of = tuple(numbers[claim] for claim, _ in reports)
    bridges, openings = _bridges(transfers, question.bridges), _openings(transfers, question)
    return Asked(question, claims, claim_of, marks, stops, pools, bridges, openings)


def _reports(question: Question) -> Sequence[tuple[str, list[Mark]]]:
    """Give each report's claim and marks, the oldest first. By poison every claim has all, so that age says nothing."""
    marks = question.marks
    if question.policy == Policy.POISON:
        of_claims: dict[str, list[Mark]] = {}
        for mark in marks:
            of_claims.setdefault(mark.claim, []).append(mark)
        return list(of_claims.items())
    return [(claim, list(found)) for claim, found in groupby(marks, key=lambda mark: mark.claim)]


def _check_limits(limits: Limits) -> None:
    counts = (("hops", limits.hops), ("block", limits.block), ("transfers", limits.transfers))
    for name, value in counts:
        if value is not None and value not in _COUNTS:
            message = f"limits.{name} is not from 0 to {_COUNTS[-1]}; leave it out where there is no limit"
            raise OutOfRangeError(message)
    for asset, value in limits.smallest.items():
        if value not in _AMOUNTS:
            message = f"limits.smallest of {asset:.120} is no amount of base units: from 0 to 2**256 - 1"
            raise OutOfRangeError(message)


def _mark(transfers: Transfers, mark: Mark) -> tuple[int, int]:
    row = transfers.find(mark.transfer)
    this = transfers.at(row)
    if not this.moves or this.kind == Kind.GAS:
        why = this.reason or "it is gas, or part of a wrap that its own event stands for"
        message = f"{mark.transfer} moves no money that can be followed: {why}"
        raise QuestionError(message)
    value = this.value
    amount = value if mark.amount is None else mark.amount
    if not 0 < amount <= value:
        message = f"{mark.transfer} moved {value} base units; {amount} of it cannot be marked"
        raise QuestionError(message)
    return row, amount


def _places(transfers: Transfers, text: str) -> list[tuple[int, int]]:
    """Give (chain, address) for an address on every chain, or a CAIP-10 id on its own; none where that is not asked."""
    chain, _, address = text.rpartition(":")
    if chain and chain not in transfers.chains:
        return []
    found = transfers.find_address(address)
    chains = [transfers.chains.index(chain)] if chain else range(len(transfers.chains))
    return [(number, found) for number in chains]


def _bridges(transfers: Transfers, bridges: Iterable[Bridge]) -> dict[int, tuple[int, Bridge]]:
    found: dict[int, tuple[int, Bridge]] = {}
    outs: set[int] = set()
    for bridge in bridges:
        paid, got = transfers.find(bridge.paid_in), transfers.find(bridge.paid_out)
        if got <= paid or paid in found or got in outs or not all(_is_paid(transfers, row) for row in (paid, got)):
            message = f"the bridge from {bridge.paid_in} to {bridge.paid_out} pays out earlier than in, or is no pair"
            raise QuestionError(message)
        if bridge.confidence not in _PERCENT or not bridge.evidence.strip():
            message = f"the bridge from {bridge.paid_in} needs its evidence and a confidence from 0 to 100 percent"
            raise QuestionError(message)
        found[paid] = got, bridge
        outs.add(got)
    return found


def _is_paid(transfers: Transfers, row: int) -> bool:
    """Whether a row pays somebody: what is spent on gas crosses no bridge."""
    this = transfers.at(row)
    return this.moves and this.kind != Kind.GAS


def _openings(transfers: Transfers, question: Question) -> dict[Key, int]:
    found: dict[Key, int] = {}
    for (text, asset), amount in question.openings.items():
        if amount < 0:
            message = f"an opening balance of {amount} base units cannot be"
            raise QuestionError(message)
        number = transfers.numbers.find_asset(asset)
        if number is not None:
            found |= {(at[1], number): amount for at in _places(transfers, text)}
    return found


@dataclass(slots=True)
class Rows:
    """Collects the rows of an answer."""

    transfers: Transfers
    asked: Asked
    marked: Counter[tuple[str, str]] = field(default_factory=Counter)
    held: list[Held] = field(default_factory=list)
    services: list[AtService] = field(default_factory=list)
    gas: list[Gas] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    contested: list[Contested] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    converted: list[Converted] = field(default_factory=list)
    touched: dict[int, int] = field(default_factory=dict)  # address -> the first row that matters

    def touch(self, address: int, row: int) -> None:
        """Note that an address matters from a row on (backward: up to it)."""
        self.touched.setdefault(address, row)

    def claim(self, number: int) -> str:
        """Give a claim's name."""
        return self.asked.claims[number]

    def by_claim(self, lots: Iterable[Lot]) -> dict[int, int]:
        """Add up what of lots is a claim's, by claim."""
        sums: Counter[int] = Counter()
        for report, value in claimed(lots).items():
            sums[self.asked.claim_of[report]] += value
        return dict(sorted(sums.items()))

    def where(self, key: Key) -> tuple[str, str]:
        """Write a holding: address, asset."""
        return self.transfers.address_text(key[0]), self.transfers.numbers.asset(key[1])

    def add_moves(self, step: Step, claims: Mapping[int, int]) -> None:
        """Note what a transfer moved of claims."""
        name = self.transfers.name(step.row)
        payer, payee = self.transfers.address_text(step.payer), self.transfers.address_text(step.payee)
        asset = self.transfers.numbers.asset(step.payee_asset)
        for claim, value in claims.items():
            self.moves.append(Move(step.row, name, payer, payee, asset, self.claim(claim), value))

    def add_service(self, label: str, key: Key, row: int, claims: Mapping[int, int]) -> None:
        """Note what came to a service, or from it."""
        for claim, value in claims.items():
            self.services.append(AtService(label, *self.where(key), self.claim(claim), self.transfers.name(row), value))

    def add_gas(self, step: Step, claims: Mapping[int, int]) -> None:
        """Note what was spent on gas."""
        for claim, value in claims.items():
            self.gas.append(Gas(*self.where(step.source), self.claim(claim), self.transfers.name(step.row), value))

    def add_left(self, key: Key, row: int, reason: str, claims: Mapping[int, int]) -> None:
        """Note what is not followed further."""
        for claim, value in claims.items():
            self.left.append(Left(*self.where(key), self.claim(claim), self.transfers.name(row), reason, value))

    def add_source(self, key: Key, row: int, origin: str, claims: Mapping[int, int]) -> None:
        """Note where money came from in the end."""
        for claim, value in claims.items():
            self.sources.append(Source(*self.where(key), self.claim(claim), self.transfers.name(row), origin, value))

    def add_converted(
        self, row: int, kind: Conversion, paid_in: Key, asset_out: int, amounts: Mapping[int, tuple[int, int]],
        bridge: Bridge | None = None,
    ) -> None:  # fmt: skip
        """Note both legs: ``amounts`` has (paid, got) of each claim."""
        address, asset_in = self.where(paid_in)
        basis = (bridge.evidence, bridge.confidence) if bridge else ("within one chain tx", 100)
        for claim, (paid, got) in amounts.items():
            name, out = self.transfers.name(row), self.transfers.numbers.asset(asset_out)
            self.converted.append(
                Converted(name, kind, address, asset_in, out, self.claim(claim), paid, got, *basis)
            )  # fmt: skip

    def add_held(self, key: Key, lots: Iterable[Lot]) -> None:
        """Note what lies with an address."""
        self.held += [Held(*self.where(key), self.claim(claim), value) for claim, value in self.by_claim(lots).items()]

    def answer(self, visited: int, *, backward: bool = False) -> AccountAnswer:
        """Sort everything."""
        marked = [Marked(claim, asset, value) for (claim, asset), value in self.marked.items() if value]
        ordered: dict[str, Any] = {
            name: tuple(sorted(getattr(self, name)))
            for name in ("held", "services", "gas", "left", "sources", "unknown", "contested", "moves", "converted")
        }
        return AccountAnswer(
            question=self.asked.question, claims=self.asked.claims, dataset_hash=self.transfers.dataset_hash(),
            genuine_sha256=self.transfers.genuine.sha256, untraced=self.transfers.untraced,
            marked=tuple(sorted(marked)), ignored=self._ignored(backward=backward), visited_txs=visited, **ordered,
        )  # fmt: skip

    def _ignored(self, *, backward: bool) -> tuple[IgnoredTransfer, ...]:
        found = []
        data = self.transfers
        for row in data.ignored_at(sorted(self.touched)):
            ends = (row.sender, row.recipient)
            since = [self.touched[end] for end in ends if end in self.touched]
            if not any(row.number <= first if backward else row.number >= first for first in since):
                continue
            sender, recipient = (data.address_text(end) for end in ends)
            name, asset = data.name(row.number), data.numbers.asset(row.asset)
            found.append(IgnoredTransfer(name, sender, recipient, asset, row.reason, row.value))
        return tuple(sorted(found))
