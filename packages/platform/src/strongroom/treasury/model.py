"""What the treasury works with: payables that wait for coins, the hot band, and a choice of coins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from strongroom.outbound.model import OwnOutput, Payment, SpentCoin
from strongroom_core.ids import SlotId


class PayableState(StrEnum):
    """Where a payable is: waiting for a slot, in one, paid for good, or taken back."""

    QUEUED = "queued"
    SLOTTED = "slotted"
    PAID = "paid"
    WITHDRAWN = "withdrawn"


# From `slotted` back to `queued` where nobody signed; a `withdrawn` one is refused, cancelled, expired or conflicted.
PAYABLE_MOVES: Final[dict[PayableState, frozenset[PayableState]]] = {
    PayableState.QUEUED: frozenset({PayableState.SLOTTED, PayableState.WITHDRAWN}),
    PayableState.SLOTTED: frozenset({PayableState.QUEUED, PayableState.PAID, PayableState.WITHDRAWN}),
    PayableState.PAID: frozenset(),
    PayableState.WITHDRAWN: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Payable:
    """A payout with its hold, to be paid from the hot coins of ``chain`` before ``expires_at``."""

    payment: Payment
    chain: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Queued:
    """A payable as it waits; ``solo`` ones get a chain tx of their own, ``short`` ones exceed what hot holds."""

    payable: Payable
    state: PayableState
    solo: bool
    short: bool
    attempts: int
    slot_id: SlotId | None
    enqueued_at: datetime

    @property
    def payment(self) -> Payment:
        """What is to be paid."""
        return self.payable.payment


@dataclass(frozen=True, slots=True)
class Choice:
    """Coins for a chain tx; ``change`` base units come back (0: no change output), ``fee`` goes to the miner."""

    coins: tuple[SpentCoin, ...]
    change: int
    fee: int


@dataclass(frozen=True, slots=True)
class Band:
    """The hot band as it is in force: the settings' band, cut to what the house's own capital covers. Base units."""

    target: int
    high: int


@dataclass(frozen=True, slots=True)
class BandStatus:
    """What hot held against its band when last measured, in base units of ``asset`` (CAIP-19).

    ``above`` is what a thief could take beyond the band in force; ``since`` when there has been some without a pause.
    """

    chain: str
    asset: str
    held: int
    high: int
    above: int
    since: datetime | None
    measured_at: datetime


@dataclass(frozen=True, slots=True)
class Reserve:
    """What hot holds: ``spendable`` now, ``pending`` change and coins that are not deep enough yet. Base units."""

    spendable: int
    pending: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.spendable + self.pending


@dataclass(frozen=True, slots=True)
class Replacement:
    """Coins and own outputs of a dearer version of a slot, at ``rate`` sat/vB."""

    coins: tuple[SpentCoin, ...]
    own_outputs: tuple[OwnOutput, ...]
    rate: int


@dataclass(frozen=True, slots=True)
class Extension:
    """Coins added to a slot so that it can pay a dearer version, own outputs as before, and new ``change``."""

    added: tuple[SpentCoin, ...]
    own_outputs: tuple[OwnOutput, ...]
    change: int
