"""Events: every fact that was told to you, for those that missed a webhook."""

from __future__ import annotations

from litestar import Router, get

from strongroom.api import schemas, views
from strongroom.api.access import Caller
from strongroom.api.paging import Cursor, Limit, cut
from strongroom.api.problems import REFUSALS
from strongroom.api.state import Services
from strongroom.infra.database import transaction
from strongroom.webhooks import service


@get("/", opt={"scope": "read"}, summary="List events", responses=REFUSALS)
async def list_events(
    caller: Caller, services: Services, cursor: Cursor = None, limit: Limit = 50
) -> schemas.EventPage:
    """Give events, newest first."""
    async with transaction(services.pool) as connection:
        found = await service.list_events(connection, caller.merchant_id, cursor or "", limit + 1)
    shown, following = cut(found, limit)
    return schemas.EventPage(data=[views.event(item) for item in shown], next_cursor=following)


router = Router("/events", route_handlers=[list_events], tags=["Webhooks"])
