"""The answer of a trace of account chains: rows in a fixed order, and the proof that nothing is lost in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from strongroom_tracing.accounts.errors import NotConservedError
from strongroom_tracing.accounts.model import Question
from strongroom_tracing.taint.model import Direction, Policy


@dataclass(frozen=True, slots=True, order=True)
class Held:
    """Marked money that lies with an address; going backward none."""

    address: str
    asset: str
    claim: str
    value: int


@dataclass(frozen=True, slots=True, order=True)
class AtService:
    """Marked money that came to a service by a transfer (backward: that the service paid)."""

    service: str
    address: str
    asset: str
    claim: str
    transfer: str
    value: int


@dataclass(frozen=True, slots=True, order=True)
class Gas:
    """Marked coin that was spent on gas."""

    address: str
    asset: str
    claim: str
    transfer: str
    value: int


@dataclass(frozen=True, slots=True, order=True)
class Left:
    """Marked money that was not followed beyond a transfer."""

    address: str
    asset: str
    claim: str
    transfer: str
    reason: str
    value: int


@dataclass(frozen=True, slots=True, order=True)
class Unknown:
    """What an address that marked money had come to paid beyond what is known to have come in."""

    address: str
    asset: str
    transfer: str
    value: int


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """Going backward: where marked money came from in the end (``origin``), and the transfer that brought it on."""

    address: str
    asset: str
    claim: str
    transfer: str
    origin: str
    value: int


@dataclass(frozen=True, slots=True, order=True)
class Contested:
    """Money of two claims: the one reported first has it, the other's share is shown."""

    transfer: str
    asset: str
    claim: str
    winner: str
    value: int


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """Marked money that a transfer moved; ``number`` is the transfer's in chain order, over all chains asked."""

    number: int
    transfer: str
    sender: str
    recipient: str
    asset: str
    claim: str
    value: int


@dataclass(frozen=True, slots=True, order=True)
class Converted:
    """Both legs of a wrap, swap or bridge: ``paid`` of ``asset_in`` became ``got`` of ``asset_out``."""

    transfer: str
    kind: str
    address: str
    asset_in: str
    asset_out: str
    claim: str
    paid: int
    got: int
    evidence: str
    confidence: int


@dataclass(frozen=True, slots=True, order=True)
class IgnoredTransfer:
    """A row at an address with marked money that moves none, and why."""

    transfer: str
    sender: str
    recipient: str
    asset: str
    reason: str
    value: int


@dataclass(frozen=True, slots=True, order=True)
class Marked:
    """What a claim put in: the sum of its marks in one asset."""

    claim: str
    asset: str
    value: int


@dataclass(frozen=True, slots=True)
class AccountAnswer:
    """Where marked money is (or came from). Every tuple is sorted; the same question of the same data gives the same.

    ``claims`` in the order of report. ``untraced`` names the chains whose index lacks coin moved inside of contract
    calls: there, what is ``unknown`` may only be unseen.
    """

    question: Question
    claims: tuple[str, ...]
    dataset_hash: str
    genuine_sha256: str
    untraced: tuple[str, ...]
    marked: tuple[Marked, ...]
    held: tuple[Held, ...]
    services: tuple[AtService, ...]
    gas: tuple[Gas, ...]
    left: tuple[Left, ...]
    sources: tuple[Source, ...]
    unknown: tuple[Unknown, ...]
    contested: tuple[Contested, ...]
    moves: tuple[Move, ...]
    converted: tuple[Converted, ...]
    ignored: tuple[IgnoredTransfer, ...]
    visited_txs: int

    def totals(self) -> list[tuple[str, str, str, int]]:
        """Add up what came to each service: (service, asset, claim, value). The list of whom to ask."""
        sums: Counter[tuple[str, str, str]] = Counter()
        for row in self.services:
            sums[row.service, row.asset, row.claim] += row.value
        return [(*key, sums[key]) for key in sorted(sums)]

    def check(self) -> None:
        """Prove that for each claim and asset what was marked, less what was converted, is all accounted for.

        Raises ``NotConservedError``. Of poison nothing is proved: there values are of whole payments.
        """
        if self.question.policy == Policy.POISON:
            return
        expected, found = self._put_in(), self._accounted()
        for claim, asset in sorted(expected.keys() | found.keys()):
            if expected[claim, asset] != found[claim, asset]:
                message = (
                    f"claim {claim}: {expected[claim, asset]} of {asset} was marked or converted, and "
                    f"{found[claim, asset]} is accounted for: do not use this answer, and report a bug"
                )
                raise NotConservedError(message)

    def _put_in(self) -> Counter[tuple[str, str]]:
        sums: Counter[tuple[str, str]] = Counter()
        sign = 1 if self.question.direction == Direction.FORWARD else -1
        for mark in self.marked:
            sums[mark.claim, mark.asset] += mark.value
        for row in self.converted:
            sums[row.claim, row.asset_in] -= sign * row.paid
            sums[row.claim, row.asset_out] += sign * row.got
        return sums

    def _accounted(self) -> Counter[tuple[str, str]]:
        sums: Counter[tuple[str, str]] = Counter()
        rows: Iterable[Any] = (*self.held, *self.services, *self.gas, *self.left, *self.sources, *self.contested)
        for row in rows:
            sums[row.claim, row.asset] += row.value
        return sums
