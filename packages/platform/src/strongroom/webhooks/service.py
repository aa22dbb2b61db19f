"""Endpoints, events and deliveries of a merchant."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.infra.database import Connection
from strongroom.webhooks import rules, signing, store
from strongroom.webhooks.errors import DeliveryNotFoundError, EndpointNotFoundError, TooManyEndpointsError
from strongroom.webhooks.model import Attempt, Delivery, Endpoint, Event
from strongroom_core.ids import EndpointId

# Part of what the room offers.
WebhookSecrets = signing.WebhookSecrets


async def create_endpoint(
    connection: Connection, merchant_id: str, url: str, events: Sequence[str] = (), *, allow_private: bool
) -> Endpoint:
    """Add an endpoint. Raises ``EndpointUrlError``, ``EventTypeError``, ``TooManyEndpointsError``."""
    rules.check_url(url, allow_private=allow_private)
    rules.check_event_types(events)
    if await store.count_endpoints(connection, merchant_id) >= rules.ENDPOINTS_MAX:
        message = f"a merchant has at most {rules.ENDPOINTS_MAX} webhook endpoints; delete one first"
        raise TooManyEndpointsError(message)
    return await store.insert_endpoint(connection, merchant_id, EndpointId.new(), url, events)


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
    """Retire an endpoint; what was delivered stays on record. Raises ``EndpointNotFoundError``."""
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


async def list_attempts(connection: Connection, merchant_id: str, delivery_id: str) -> list[Attempt]:
    """Give the attempts of one delivery, in order; none where it is not the merchant's."""
    return await store.list_attempts(connection, merchant_id, delivery_id)


async def redeliver(connection: Connection, merchant_id: str, delivery_id: str) -> Delivery:
    """Deliver again, with the same event id, so that the merchant's server knows it.

    Raises ``DeliveryNotFoundError``.
    """
    delivery = await store.redeliver(connection, merchant_id, delivery_id)
    if delivery is None:
        message = "no delivery of that id; list them under the endpoint"
        raise DeliveryNotFoundError(message)
    return delivery


def _found(endpoint: Endpoint | None) -> Endpoint:
    if endpoint is None:
        message = "no webhook endpoint of that id; list yours at /v1/webhook-endpoints"
        raise EndpointNotFoundError(message)
    return endpoint
