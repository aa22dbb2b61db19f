"""Deposits: what came in on chain."""

from __future__ import annotations

from litestar import Router, get

from strongroom.api import schemas, views
from strongroom.api.access import Caller
from strongroom.api.paging import Cursor, Limit, cut
from strongroom.api.problems import REFUSALS
from strongroom.api.state import Services
from strongroom.deposits import service
from strongroom.infra.database import transaction
from strongroom_core.ids import DepositId


@get("/", opt={"scope": "read"}, summary="List deposits", responses=REFUSALS)
async def list_deposits(
    caller: Caller, services: Services, cursor: Cursor = None, limit: Limit = 50
) -> schemas.DepositPage:
    """Give deposits, newest first."""
    async with transaction(services.pool) as connection:
        found = await service.list_deposits(connection, caller.merchant_id, cursor, limit + 1)
    shown, following = cut(found, limit)
    return schemas.DepositPage(data=[views.deposit(service.view(item)) for item in shown], next_cursor=following)


@get("/{deposit_id:str}", opt={"scope": "read"}, summary="Get a deposit", responses=REFUSALS)
async def get_deposit(deposit_id: str, caller: Caller, services: Services) -> schemas.Deposit:
    """Give one deposit."""
    async with transaction(services.pool) as connection:
        found = await service.get_deposit(connection, caller.merchant_id, DepositId(deposit_id))
    return views.deposit(service.view(found))


router = Router("/deposits", route_handlers=[list_deposits, get_deposit], tags=["Deposits"])
