"""Endpoints, events and deliveries of a merchant."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from strongroom.infra.database import Connection
from strongroom.webhooks import rules, signing, store
from strongroom.webhooks.errors import (
    DeliveryNotFoundError,
    EndpointNotFoundError,
    IdempotencyConflictError,
    TooManyEndpointsError,
)
from strongroom.webhooks.model import Attempt, Delivery, Endpoint, Event

# Part of what the room offers.
WebhookSecrets = signing.WebhookSecrets


async def create_endpoint(
    connection: Connection,
    merchant_id: str,
    url: str,
    events: Sequence[str] = (),
    *,
    idempotency_key: str | None = None,
    allow_private: bool,
) -> Endpoint:
    """Add an endpoint; the same key and request again gives the one that it made.

    Raises ``EndpointUrlError``, ``EventTypeError``, ``TooManyEndpointsError``, ``IdempotencyConflictError``.
    """
    rules.check_url(url, allow_private=allow_private)
    rules.check_event_types(events)
    digest = hashlib.sha256(json.dumps([url, *events]).encode()).digest()
    known = await _made_before(connection, merchant_id, idempotency_key, digest)
    if known is not None:
        return known
    if await store.count_endpoints(connection, merchant_id) >= rules.ENDPOINTS_MAX:
        message = f"a merchant has at most {rules.ENDPOINTS_MAX} webhook endpoints; delete one first"
        raise TooManyEndpointsError(message)
    made = await store.insert_endpoint(connection, merchant_id, url, events, idempotency_key, digest)
    return made or _found(await _made_before(connection, merchant_id, idempotency_key, digest))


async def _made_before(connection: Connection, merchant_id: str, key: str | None, digest: bytes) -> Endpoint | None:
    known = await store.endpoint_of_key(connection, merchant_id, key) if key else None
    if known is None:
        return None
    endpoint, stored = known
    if stored != digest:
        message = "this Idempotency-Key came with another request before; use a new key for a new request"
        raise IdempotencyConflictError(message)
    return endpoint


async def list_endpoints(connection: Connection, merchant_id: str, after: str = "", limit: int = 100) -> list[Endpoint]:
    """Give the merchant's endpoints, oldest first."""
    return await store.list_endpoints(connection, merchant_id, after, limit)


async def get_endpoint(connection: Connection, merchant_id: str, endpoint_id: str) -> Endpoint:
    """Give one endpoint. Raises ``EndpointNotFoundError``."""
    return _found(await store.get_endpoint(connection, merchant_id, endpoint_id))


async def update_endpoint(
    connection: Connection,
    merchant_id: str,
    endpoint_id: str,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    enabled: bool | None = None,
    allow_private: bool,
) -> Endpoint:
    """Change what is given. Raises as ``create_endpoint``, and ``EndpointNotFoundError``."""
    if url is not None:
        rules.check_url(url, allow_private=allow_private)
    rules.check_event_types(events or ())
    return _found(await store.update_endpoint(connection, merchant_id, endpoint_id, url, events, enabled=enabled))


async def delete_endpoint(connection: Connection, merchant_id: str, endpoint_id: str) -> None:
    """Retire an endpoint: what is on its way to it ends, the log stays. Raises ``EndpointNotFoundError``."""
    if not await store.delete_endpoint(connection, merchant_id, endpoint_id):
        _found(None)


async def list_events(connection: Connection, merchant_id: str, before: str = "", limit: int = 100) -> list[Event]:
    """Give the facts told to the merchant, newest first."""
    return await store.list_events(connection, merchant_id, before, limit)


async def list_deliveries(
    connection: Connection, merchant_id: str, endpoint_id: str = "", before: str = "", limit: int = 100
) -> list[Delivery]:
    """Give deliveries, newest first; of one endpoint or of all. Raises ``EndpointNotFoundError``."""
    if endpoint_id:
        await get_endpoint(connection, merchant_id, endpoint_id)
    return await store.list_deliveries(connection, merchant_id, endpoint_id, before, limit)


async def get_delivery(connection: Connection, merchant_id: str, delivery_id: str) -> Delivery:
    """Give one delivery. Raises ``DeliveryNotFoundError``."""
    return _delivery(await store.get_delivery(connection, merchant_id, delivery_id))


async def list_attempts(connection: Connection, merchant_id: str, delivery_id: str) -> list[Attempt]:
    """Give the attempts of one delivery, in order; none where it is not the merchant's."""
    return await store.list_attempts(connection, merchant_id, delivery_id)


async def redeliver(connection: Connection, merchant_id: str, delivery_id: str) -> Delivery:
    """Deliver again, with the same event id, so that the merchant's server knows it.

    Raises ``DeliveryNotFoundError``, also where its endpoint was deleted.
    """
    return _delivery(await store.redeliver(connection, merchant_id, delivery_id))


def _delivery(delivery: Delivery | None) -> Delivery:
    if delivery is None:
        message = "no delivery of that id; list them under the endpoint"
        raise DeliveryNotFoundError(message)
    return delivery


def _found(endpoint: Endpoint | None) -> Endpoint:
    if endpoint is None:
        message = "no webhook endpoint of that id; list yours at /v1/webhook-endpoints"
        raise EndpointNotFoundError(message)
    return endpoint
