"""Webhook endpoints, and the log of what was delivered to them."""

from __future__ import annotations

from litestar import Router, delete, get, patch, post

from strongroom.api import schemas, views
from strongroom.api.access import Caller
from strongroom.api.idempotency import IdempotencyKey
from strongroom.api.paging import Cursor, Limit, cut
from strongroom.api.problems import REFUSALS
from strongroom.api.state import Services
from strongroom.infra.database import transaction
from strongroom.webhooks import service


@post("/", opt={"scope": "webhooks"}, summary="Add a webhook endpoint", responses=REFUSALS)
async def create_endpoint(
    data: schemas.NewWebhookEndpoint, caller: Caller, services: Services, idempotency_key: IdempotencyKey = None
) -> schemas.WebhookEndpoint:
    """Add a server of yours; ``secret`` verifies its deliveries (Standard Webhooks) and is shown this once."""
    async with transaction(services.pool) as connection:
        made = await service.create_endpoint(
            connection,
            caller.merchant_id,
            data.url,
            data.events,
            idempotency_key=idempotency_key,
            allow_private=_allow_private(services),
        )
    return views.endpoint(made, services.secrets.secret(made.id, made.secret_version))


@get("/", opt={"scope": "read"}, summary="List webhook endpoints", responses=REFUSALS)
async def list_endpoints(
    caller: Caller, services: Services, cursor: Cursor = None, limit: Limit = 50
) -> schemas.WebhookEndpointPage:
    """Give endpoints, oldest first."""
    async with transaction(services.pool) as connection:
        found = await service.list_endpoints(connection, caller.merchant_id, cursor or "", limit + 1)
    shown, following = cut(found, limit)
    return schemas.WebhookEndpointPage(data=[views.endpoint(item) for item in shown], next_cursor=following)


@get("/{endpoint_id:str}", opt={"scope": "read"}, summary="Get a webhook endpoint", responses=REFUSALS)
async def get_endpoint(endpoint_id: str, caller: Caller, services: Services) -> schemas.WebhookEndpoint:
    """Give one endpoint, without its secret."""
    async with transaction(services.pool) as connection:
        return views.endpoint(await service.get_endpoint(connection, caller.merchant_id, endpoint_id))


@patch("/{endpoint_id:str}", opt={"scope": "webhooks"}, summary="Change a webhook endpoint", responses=REFUSALS)
async def update_endpoint(
    endpoint_id: str, data: schemas.WebhookEndpointChange, caller: Caller, services: Services
) -> schemas.WebhookEndpoint:
    """Change URL, events or whether it is enabled."""
    async with transaction(services.pool) as connection:
        changed = await service.update_endpoint(
            connection,
            caller.merchant_id,
            endpoint_id,
            url=data.url,
            events=data.events,
            enabled=data.enabled,
            allow_private=_allow_private(services),
        )
    return views.endpoint(changed)


@delete("/{endpoint_id:str}", opt={"scope": "webhooks"}, summary="Delete a webhook endpoint", responses=REFUSALS)
async def delete_endpoint(endpoint_id: str, caller: Caller, services: Services) -> None:
    """Stop delivering to it; its log stays with us."""
    async with transaction(services.pool) as connection:
        await service.delete_endpoint(connection, caller.merchant_id, endpoint_id)


@get(
    "/{endpoint_id:str}/deliveries", opt={"scope": "read"}, summary="List an endpoint's deliveries", responses=REFUSALS
)
async def list_deliveries(
    endpoint_id: str, caller: Caller, services: Services, cursor: Cursor = None, limit: Limit = 50
) -> schemas.WebhookDeliveryPage:
    """Give deliveries, newest first."""
    async with transaction(services.pool) as connection:
        found = await service.list_deliveries(connection, caller.merchant_id, endpoint_id, cursor or "", limit + 1)
    shown, following = cut(found, limit)
    return schemas.WebhookDeliveryPage(data=[views.delivery(item) for item in shown], next_cursor=following)


@post(
    "/{delivery_id:str}/redeliver",
    opt={"scope": "webhooks"},
    status_code=200,
    summary="Deliver again",
    responses=REFUSALS,
)
async def redeliver(delivery_id: str, caller: Caller, services: Services) -> schemas.WebhookDelivery:
    """Deliver an event again, with the same event id."""
    async with transaction(services.pool) as connection:
        return views.delivery(await service.redeliver(connection, caller.merchant_id, delivery_id))


def _allow_private(services: Services) -> bool:
    return services.settings.webhooks.allow_private_destinations


router = Router(
    "/webhook-endpoints",
    route_handlers=[create_endpoint, list_endpoints, get_endpoint, update_endpoint, delete_endpoint, list_deliveries],
    tags=["Webhooks"],
)
deliveries_router = Router("/webhook-deliveries", route_handlers=[redeliver], tags=["Webhooks"])
