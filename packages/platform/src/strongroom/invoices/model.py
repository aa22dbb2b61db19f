"""Invoices: their states, the moves between them, and what came for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final

from strongroom.attestations.model import Attestation
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset
from strongroom_core.ids import AddressId, DepositId, InvoiceId, MerchantId


class Status(StrEnum):
    """Where an invoice stands."""

    NEW = "new"  # waits for its payer
    PROCESSING = "processing"  # enough was seen in time; it confirms
    PAID = "paid"  # enough, first seen in time, is credited to the merchant
    EXPIRED = "expired"  # time ran out before enough was seen
    INVALID = "invalid"  # cancelled, or what was seen in time never confirmed; `Reason` says which


class Anomaly(StrEnum):
    """An invoice's `exception`: what is unusual about the money that came, which is all the merchant's all the same."""

    NONE = "none"
    UNDERPAID = "underpaid"
    OVERPAID = "overpaid"
    PAID_TWICE = "paid-twice"
    LATE = "late"
    DEPEGGED = "depegged"  # enough came while its asset was not at par; it waits for par or the operator's word
    WRONG_ASSET = "wrong-asset"  # something else came than what the invoice is paid in; it counts for nothing here


class Reason(StrEnum):
    """Why an invoice is invalid."""

    CANCELLED = "cancelled"
    UNCONFIRMED = "unconfirmed"
    PAYMENT_VANISHED = "payment-vanished"
    DEPEGGED = "depegged"  # its asset did not come back to par in time, or the operator refused to wait


class PaymentState(StrEnum):
    """What deposits say of a payment.

    ``DROPPED`` left the mempool, or lost its block and is not seen again yet.
    """

    SEEN = "seen"
    CONFIRMING = "confirming"
    CONFIRMED = "confirmed"
    HELD = "held"
    CREDITED = "credited"
    REVERSED = "reversed"
    DROPPED = "dropped"


# Facts may arrive after the clock has moved an invoice, so `expired` and `invalid` lead on to what the facts say.
MOVES: Final[Mapping[Status, frozenset[Status]]] = {
    Status.NEW: frozenset({Status.PROCESSING, Status.PAID, Status.EXPIRED, Status.INVALID}),
    Status.PROCESSING: frozenset({Status.NEW, Status.PAID, Status.INVALID}),
    Status.PAID: frozenset({Status.PROCESSING}),
    Status.EXPIRED: frozenset({Status.PROCESSING, Status.PAID}),
    Status.INVALID: frozenset({Status.PROCESSING, Status.PAID}),
}


@dataclass(frozen=True, slots=True)
class Payment:
    """One deposit on an invoice's address; ``amount`` in base units of ``asset``, which need not be the invoice's.

    ``confirmations_needed`` is none where the chain itself says what is final.
    """

    deposit_id: DepositId
    txid: str
    vout: int
    asset: Asset
    amount: int
    state: PaymentState
    cycle: int
    confirmations: int
    confirmations_needed: int | None
    below_minimum: bool
    first_seen_at: datetime


@dataclass(frozen=True, slots=True)
class LockedRate:
    """The price that an invoice is held to: whole units of its currency for one whole unit of its asset."""

    price: Fraction
    sources: tuple[str, ...]
    at: datetime
    spread_ppm: int


@dataclass(frozen=True, slots=True)
class NewInvoice:
    """A checked request. ``price`` is in a fiat currency, or in ``asset`` itself."""

    merchant_id: MerchantId
    price: Amount
    asset: Asset
    expires_in_seconds: int
    reference: str | None
    description: str | None
    redirect_url: str | None
    metadata: Mapping[str, Any]
    idempotency_key: str | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class Priced:
    """What is due: ``enough`` is what still counts as paid; ``rate`` is none where the price is in the asset."""

    due: Amount
    enough: Amount
    rate: LockedRate | None


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice and what came for it. ``paid`` is credited to the merchant, ``pending`` is on its way there."""

    id: InvoiceId
    merchant_id: MerchantId
    status: Status
    exception: Anomaly
    reason: Reason | None
    price: Amount
    due: Amount
    enough: Amount
    paid: Amount
    pending: Amount
    rate: LockedRate | None
    address_id: AddressId
    address: str
    reference: str | None
    description: str | None
    redirect_url: str | None
    metadata: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime
    monitor_seconds: int
    processing_at: datetime | None
    vanished_at: datetime | None
    paid_at: datetime | None
    due_at: datetime | None
    payments: tuple[Payment, ...]

    @property
    def asset(self) -> Asset:
        """The coin that it is paid in."""
        return self.due.asset


@dataclass(frozen=True, slots=True)
class Made:
    """An invoice as its maker is answered, with the signers' words for its address so far.

    ``view`` is the merchant's picture of it: its event tells the same, so it is made once for both.
    """

    invoice: Invoice
    view: Mapping[str, Any]
    words: tuple[Attestation, ...] = ()


@dataclass(frozen=True, slots=True)
class PublicInvoice:
    """What a payer may see of an invoice, and whom it pays."""

    invoice: Invoice
    merchant_name: str


@dataclass(frozen=True, slots=True)
class Step:
    """One arrow in an invoice's life."""

    from_status: Status
    to_status: Status
    exception: Anomaly
    reason: Reason | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Judged:
    """An invoice after a decision, and the arrows that it went along."""

    invoice: Invoice
    steps: tuple[Step, ...]
