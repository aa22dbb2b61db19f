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
from strongroom_core.assets import asset_by_code, chain_by_id, native_asset
from strongroom_core.ids import AddressId


@post("/", opt={"scope": "addresses"}, summary="Get a customer's deposit address", responses=REFUSALS)
async def create_address(data: schemas.NewDepositAddress, caller: Caller, services: Services) -> schemas.DepositAddress:
    """Give the standing address of a reference, made at the first call; the same reference gives the same address."""
    chains = tuple(chain.chain for chain in services.settings.chains)
    asset = asset_by_code(data.asset, chains)
    services.settings.chain(asset.chain_id)
    async with transaction(services.pool) as connection:
        found = await service.standing_address(connection, asset.chain_id, caller.merchant_id, data.reference)
    return _show(found)


@get("/", opt={"scope": "read"}, summary="List deposit addresses", responses=REFUSALS)
async def list_addresses(
    caller: Caller, services: Services, cursor: Cursor = None, limit: Limit = 50
) -> schemas.DepositAddressPage:
    """Give standing addresses, newest first."""
    async with transaction(services.pool) as connection:
        found = await service.list_standing(connection, caller.merchant_id, cursor, limit + 1)
    shown, following = cut(found, limit)
    return schemas.DepositAddressPage(data=[_show(item) for item in shown], next_cursor=following)


@get("/{address_id:str}", opt={"scope": "read"}, summary="Get a deposit address", responses=REFUSALS)
async def get_address(address_id: str, caller: Caller, services: Services) -> schemas.DepositAddress:
    """Give one address of yours."""
    async with transaction(services.pool) as connection:
        return _show(await service.merchant_address(connection, caller.merchant_id, AddressId(address_id)))


def _show(found: WalletAddress) -> schemas.DepositAddress:
    return views.deposit_address(found, native_asset(chain_by_id(found.chain)))


router = Router(
    "/deposit-addresses", route_handlers=[create_address, list_addresses, get_address], tags=["Deposit addresses"]
)
