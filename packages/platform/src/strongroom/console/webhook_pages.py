"""Routes of the console that show what was told to the merchant's servers, and tell it again."""

from __future__ import annotations

from typing import Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from strongroom.console.face import PAGE_SIZE, Caller, Desk, check_cursor, cut, own_forms_only, see, show
from strongroom.infra.database import transaction
from strongroom.merchants.errors import ScopeMissingError
from strongroom.merchants.model import Scope
from strongroom.webhooks import service as webhooks
from strongroom_core.ids import DeliveryId


@get("/webhooks")
async def list_deliveries(visitor: Caller, console: Desk, cursor: FromQuery[str | None] = None) -> Response[str]:
    """Show endpoints, and deliveries, newest first."""
    merchant_id = visitor.merchant.id
    async with transaction(console.pool) as connection:
        endpoints = await webhooks.list_endpoints(connection, merchant_id)
        found = await webhooks.list_deliveries(
            connection, merchant_id, before=check_cursor(cursor) or "", limit=PAGE_SIZE + 1
        )
    shown, following = cut(found)
    return show(
        visitor,
        "webhooks.html",
        "webhooks",
        endpoints=endpoints,
        urls={item.id: item.url for item in endpoints},
        deliveries=shown,
        following=following,
        first=cursor is None,
    )


@get("/webhooks/{delivery_id:str}")
async def show_delivery(delivery_id: FromPath[str], visitor: Caller, console: Desk) -> Response[str]:
    """Show one delivery with all its attempts."""
    merchant_id = visitor.merchant.id
    async with transaction(console.pool) as connection:
        found = await webhooks.get_delivery(connection, merchant_id, DeliveryId.parse(delivery_id))
        attempts = await webhooks.list_attempts(connection, merchant_id, found.id)
        endpoints = {item.id: item.url for item in await webhooks.list_endpoints(connection, merchant_id)}
    return show(
        visitor,
        "delivery.html",
        "webhooks",
        delivery=found,
        attempts=attempts,
        url=endpoints.get(found.endpoint_id),
        may_redeliver=visitor.may(Scope.WEBHOOKS) and found.endpoint_id in endpoints,
    )


@post("/webhooks/{delivery_id:str}/redeliver", guards=[own_forms_only])
async def redeliver(delivery_id: FromPath[str], visitor: Caller, console: Desk) -> Redirect:
    """Deliver again, with the same event id. Raises ``ScopeMissingError`` unless the token may change webhooks."""
    if not visitor.may(Scope.WEBHOOKS):
        message = f"this token lacks the scope {Scope.WEBHOOKS.value}; log in with one that has it"
        raise ScopeMissingError(message)
    async with transaction(console.pool) as connection:
        await webhooks.redeliver(connection, visitor.merchant.id, DeliveryId.parse(delivery_id))
    return see(f"/console/webhooks/{delivery_id}")


HANDLERS: Final[tuple[HTTPRouteHandler, ...]] = (list_deliveries, show_delivery, redeliver)
