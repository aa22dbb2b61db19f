"""What the treasury of an EVM chain plans with.

What hot covers by asset, what the house's capital bounds, gatherings.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from strongroom.treasury.model import Queued
from strongroom_core.ids import AddressId


@dataclass(frozen=True, slots=True)
class Cover:
    """What payouts of one asset can be covered by, in base units: ``hot`` balance, and what may be drawn to it."""

    hot: int
    drawable: int

    @property
    def total(self) -> int:
        """All of it."""
        return max(0, self.hot) + self.drawable


@dataclass(frozen=True, slots=True)
class Bound:
    """What a thief with every online key could take of one asset now, and the house's own capital that has to cover it.

    ``hot`` is the hot Safe's balance and ``left`` what the allowance still lets it draw, in base units.
    """

    asset: str
    hot: int
    left: int
    capital: int

    @property
    def above(self) -> int:
        """What is beyond the capital: clients' money that theft could reach."""
        return max(0, self.hot + self.left - self.capital)


@dataclass(frozen=True, slots=True)
class Screened:
    """A batch after simulation: what the chain would take, and what it would refuse, with its reason.

    ``stuck``: assets (with the reason) that cannot be drawn now; their payouts are neither, and wait.
    """

    good: tuple[Queued, ...]
    refused: tuple[tuple[Queued, str], ...] = ()
    stuck: tuple[tuple[str, str], ...] = ()


class GatherState(StrEnum):
    """Where a gathering is: with the relayer, over (its forwarders were looked at again), or never executed."""

    SENT = "sent"
    DONE = "done"
    FAILED = "failed"


GATHER_MOVES: Final[dict[GatherState, frozenset[GatherState]]] = {
    GatherState.SENT: frozenset({GatherState.DONE, GatherState.FAILED}),
    GatherState.DONE: frozenset(),
    GatherState.FAILED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Heap:
    """One asset on one forwarder: ``amount`` base units by our record, and what a node says where it was asked."""

    address_id: AddressId
    branch: int
    index: int
    script: bytes
    asset: str
    amount: int


@dataclass(frozen=True, slots=True)
class Gathering:
    """One sweep of forwarders on its way."""

    id: str
    chain: str
    state: GatherState
    created_at: datetime
    heaps: tuple[Heap, ...]


@dataclass(frozen=True, slots=True)
class Ungathered:
    """What forwarders hold of one asset: base units, how many, and since when the oldest has waited."""

    asset: str
    amount: int
    forwarders: int
    since: datetime
