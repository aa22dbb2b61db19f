"""What can be wrong with a webhook endpoint."""

from __future__ import annotations

from strongroom_core.errors import StrongroomError


class EndpointUrlError(StrongroomError):
    """The URL cannot be delivered to."""

    code = "webhook-url-invalid"


class EndpointNotFoundError(StrongroomError):
    """No endpoint of that id belongs to the merchant."""

    code = "webhook-endpoint-not-found"


class DeliveryNotFoundError(StrongroomError):
    """No delivery of that id belongs to the merchant."""

    code = "webhook-delivery-not-found"


class EventTypeError(StrongroomError):
    """A type of event that is never sent."""

    code = "webhook-event-unknown"


class TooManyEndpointsError(StrongroomError):
    """The merchant has as many endpoints as one may have."""

    code = "webhook-endpoints-limit"


class DestinationRefusedError(StrongroomError):
    """The host resolves to an address that we do not deliver to."""

    code = "webhook-destination-refused"


class IdempotencyConflictError(StrongroomError):
    """The same idempotency key came with another request."""

    code = "idempotency-conflict"
