"""A merchant's payout: the signed intent, its hold, and where it is on its way.

Until `signed` the amount and our fee are held; at `signed` they are captured; `final` is beyond the horizon. `refused`,
`cancelled` and `expired` give the hold back, after a signer's void where a signer may have seen the payout.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from strongroom_core.ids import HoldId, MerchantId, PayoutId


class PayoutKind(StrEnum):
    """What a merchant pays for."""

    PAYMENT = "payment"
    WITHDRAWAL = "withdrawal"
    REFUND = "refund"


class PayoutState(StrEnum):
    """Where a payout stands."""

    QUEUED = "queued"
    HOT_SHORT = "hot-short"
    PLANNED = "planned"
    SIGNED = "signed"
    BROADCAST = "broadcast"
    CONFIRMED = "confirmed"
    FINAL = "final"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


_S = PayoutState
_AHEAD: Final = (_S.PLANNED, _S.SIGNED, _S.BROADCAST, _S.CONFIRMED, _S.FINAL)
_ENDS: Final = (_S.REFUSED, _S.CANCELLED, _S.EXPIRED)


def _ahead_of(state: PayoutState) -> frozenset[PayoutState]:
    return frozenset(_AHEAD[_AHEAD.index(state) + 1 :])


# Steps may be skipped forward: events tell of the newest state. Backward only: planned again, and a reorg.
PAYOUT_MOVES: Final[dict[PayoutState, frozenset[PayoutState]]] = {
    _S.QUEUED: frozenset({_S.HOT_SHORT, *_AHEAD, *_ENDS}),
    _S.HOT_SHORT: frozenset({_S.QUEUED, *_AHEAD, *_ENDS}),
    _S.PLANNED: _ahead_of(_S.PLANNED) | {_S.QUEUED, *_ENDS},
    _S.SIGNED: _ahead_of(_S.SIGNED) | {_S.REFUSED},
    _S.BROADCAST: _ahead_of(_S.BROADCAST) | {_S.REFUSED},
    _S.CONFIRMED: frozenset({_S.BROADCAST, _S.FINAL, _S.REFUSED}),  # refused: a token that moved nothing
    _S.FINAL: frozenset(),
    _S.REFUSED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXPIRED: frozenset(),
}
# The tag of a waiting payout's reason while its merchant owes us.
OWES_TAG: Final = "merchant-owes"
# The tag of a waiting payout's reason while the signers' own books do not cover it.
UNPROVEN_TAG: Final = "unproven"
CANCELLABLE: Final = frozenset({_S.QUEUED, _S.HOT_SHORT})


@dataclass(frozen=True, slots=True)
class Payout:
    """One payout; ``amount``, ``fee`` and ``fee_ceiling`` in base units of ``asset`` (CAIP-19)."""

    id: PayoutId
    merchant_id: MerchantId
    kind: PayoutKind
    asset: str
    chain: str
    amount: int
    fee: int
    fee_ceiling: int
    destination: str
    tag: str
    expires_at: datetime
    state: PayoutState
    reason: str
    reason_tag: str
    txid: str | None
    confirmed_height: int | None
    hold_id: HoldId
    intent: bytes
    public_key: bytes
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of a payout's timeline."""

    status: PayoutState
    at: datetime
    reason: str
