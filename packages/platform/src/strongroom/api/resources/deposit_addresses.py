"""Standing deposit addresses: one for each customer reference."""

from __future__ import annotations

from litestar import Router, get, post

from strongroom.api import schemas, views
from strongroom.api.access import Caller
from strongroom.api.paging import Cursor, Limit, cut
from strongroom.api.problems import REFUSALS
from strongroom.api.state import Services
from strongroom.infra.database import transaction
from strongroom.wallets import service
from strongroom.wallets.model import WalletAddress
from strongroom_core.assets import Asset, choose_asset
from strongroom_core.ids import AddressId


@post("/", opt={"scope": "addresses"}, summary="Get a customer's deposit address", responses=REFUSALS)
async def create_address(data: schemas.NewDepositAddress, caller: Caller, services: Services) -> schemas.DepositAddress:
    """Give the standing address of a reference, made at the first call; the same reference gives the same address."""
    asset = choose_asset(data.asset, services.settings.held_assets)
    async with transaction(services.pool) as connection:
        found = await service.standing_address(connection, asset.chain_id, caller.merchant_id, data.reference)
    return _show(services, found, asset)


@get("/", opt={"scope": "read"}, summary="List deposit addresses", responses=REFUSALS)
async def list_addresses(
    caller: Caller, services: Services, cursor: Cursor = None, limit: Limit = 50
) -> schemas.DepositAddressPage:
    """Give standing addresses, newest first."""
    async with transaction(services.pool) as connection:
        found = await service.list_standing(connection, caller.merchant_id, cursor, limit + 1)
    shown, following = cut(found, limit)
    return schemas.DepositAddressPage(data=[_show(services, item) for item in shown], next_cursor=following)


@get("/{address_id:str}", opt={"scope": "read"}, summary="Get a deposit address", responses=REFUSALS)
async def get_address(address_id: str, caller: Caller, services: Services) -> schemas.DepositAddress:
    """Give one address of yours."""
    async with transaction(services.pool) as connection:
        found = await service.merchant_address(connection, caller.merchant_id, AddressId(address_id))
    return _show(services, found)


def _show(services: Services, found: WalletAddress, asset: Asset | None = None) -> schemas.DepositAddress:
    """Show it for the asset that was asked for, else for what it was handed out for, else for the chain's first."""
    taken = [item.asset for item in services.settings.chain(found.chain).held_assets]
    handed_out_for = next((item for item in taken if item.id == found.asset), taken[0])
    return views.deposit_address(found, asset or handed_out_for, taken)


router = Router(
    "/deposit-addresses", route_handlers=[create_address, list_addresses, get_address], tags=["Deposit addresses"]
)
