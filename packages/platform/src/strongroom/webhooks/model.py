"""What a webhook is: an endpoint, a fact told to a merchant, and the fact's way to one endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from strongroom_core.ids import DeliveryId, EndpointId, EventId, MerchantId

EVENT_TYPES: Final = (
    "invoice.created",
    "invoice.processing",
    "invoice.paid",
    "invoice.expired",
    "invoice.invalid",
    "invoice.updated",
    "deposit.seen",
    "deposit.confirming",
    "deposit.confirmed",
    "deposit.held",
    "deposit.credited",
    "deposit.reversed",
    "deposit.dropped",
    "payout.queued",
    "payout.hot-short",
    "payout.planned",
    "payout.signed",
    "payout.broadcast",
    "payout.confirmed",
    "payout.final",
    "payout.refused",
    "payout.cancelled",
    "payout.expired",
)


class DeliveryState(StrEnum):
    """Where a delivery stands; every state but ``DELIVERED`` can still become it, by hand from ``EXHAUSTED``."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A merchant's server; ``events`` are the types that it wants, none meaning all. Never muted by failures."""

    id: EndpointId
    merchant_id: MerchantId
    url: str
    events: tuple[str, ...]
    enabled: bool
    secret_version: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """A fact told to a merchant.

    ``sequence`` counts the facts of one object from 1, so that late ones are known as late.
    """

    id: EventId
    merchant_id: MerchantId
    type: str
    object_id: str
    sequence: int
    body: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact to be recorded; its body is ``head``, the number that it gets within its object, and ``tail``."""

    id: EventId
    merchant_id: MerchantId
    type: str
    object_id: str
    head: str
    tail: str
    source_event: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint, and how the last attempt went."""

    id: DeliveryId
    merchant_id: MerchantId
    endpoint_id: EndpointId
    event_id: EventId
    type: str
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    last_status: int | None
    last_error: str | None
    delivered_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a delivery, as the merchant's log shows it."""

    number: int
    status: int | None
    error: str | None
    duration_ms: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Outgoing:
    """All that one attempt needs; ``request_id`` is of the request that the fact goes back to, empty where none."""

    delivery_id: DeliveryId
    endpoint_id: EndpointId
    event_id: EventId
    url: str
    secret_version: int
    body: str
    attempts: int
    request_id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended: an HTTP status, or the error that prevented one, and how long it took."""

    delivery_id: DeliveryId
    status: int | None
    error: str | None
    duration_ms: int

    @property
    def delivered(self) -> bool:
        """Whether the merchant's server took it: any 2xx (Standard Webhooks)."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - the range of success in HTTP
