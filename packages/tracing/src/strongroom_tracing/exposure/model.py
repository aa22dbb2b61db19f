"""The words of exposure: what is asked, what limits the answer, and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from strongroom_tracing.clusters.model import Mixing


class By(StrEnum):
    """What was touched; ``number`` of a touch is of an output, an address, or a cluster (its lowest address)."""

    MARK = "mark"  # the very output is marked
    ADDRESS = "address"  # its address is tagged
    CLUSTER = "cluster"  # another address of its cluster is tagged


class Beyond(StrEnum):
    """Why money was not followed further back."""

    HOP_LIMIT = "hop-limit"
    TX_LIMIT = "tx-limit"
    INPUT_LIMIT = "input-limit"
    BELOW_THRESHOLD = "below-threshold"


@dataclass(frozen=True, slots=True)
class Limits:
    """How far to look.

    Hops back, chain txs and inputs looked at in all, and the smallest share (base units) worth a look. Within a hop the
    largest shares are looked at first, of equals the earlier chain tx.
    """

    hops: int = 12
    txs: int = 2_000
    inputs: int = 10_000
    smallest: int = 1


@dataclass(frozen=True, slots=True)
class Touch:
    """A share of the output's value that came from what is marked or tagged, ``hop`` chain txs back (0.

    The output itself).
    """

    hop: int
    by: By
    number: int
    labels: tuple[str, ...]
    value: int


class Mixed(NamedTuple):
    """A share that passed through CoinJoins of a kind; beside the shares, not one of them."""

    hop: int
    mixing: Mixing
    value: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """What an output touches.

    ``indirect``, ``mined``, ``before_index`` and ``beyond`` are shares that add up to its value.
    """

    output: int
    value: int
    direct: tuple[Touch, ...]
    indirect: tuple[Touch, ...]
    mined: int
    before_index: int
    beyond: tuple[tuple[Beyond, int], ...]
    mixed: tuple[Mixed, ...]
    limits: Limits
    visited_txs: int
    visited_inputs: int

    @property
    def bounded_by(self) -> tuple[Beyond, ...]:
        """Which limits cut the search short; none: all of the value is accounted for."""
        return tuple(reason for reason, value in self.beyond if value)

    def check(self) -> None:
        """Assert that the shares are the whole value: none lost, none twice."""
        shares = sum(touch.value for touch in self.indirect) + sum(value for _, value in self.beyond)
        if shares + self.mined + self.before_index != self.value:
            message = f"output {self.output}: shares of {shares + self.mined + self.before_index} for {self.value}"
            raise AssertionError(message)
