"""Balances: what is yours, from the books."""

from __future__ import annotations

from litestar import Router, get

from strongroom.api import schemas, views
from strongroom.api.access import Caller
from strongroom.api.problems import REFUSALS
from strongroom.api.state import Services
from strongroom.deposits import service as deposits
from strongroom.infra.database import transaction
from strongroom.ledger import service as ledger


@get("/", opt={"scope": "read"}, summary="Get balances", responses=REFUSALS)
async def get_balances(caller: Caller, services: Services) -> schemas.Balances:
    """Give one balance for each asset; ``pending`` is a projection of deposits that are not credited yet."""
    async with transaction(services.pool) as connection:
        found = await ledger.balances(connection, caller.merchant_id)
        pending = await deposits.pending_by_asset(connection, caller.merchant_id)
    return views.balances(services.settings.held_assets, found, pending)


router = Router("/balances", route_handlers=[get_balances], tags=["Balances"])
