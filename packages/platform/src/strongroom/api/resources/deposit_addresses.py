"""Standing deposit addresses: one for each customer reference."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Router, get, post

from strongroom.api import schemas, views
from strongroom.api.access import Caller
from strongroom.api.paging import Cursor, Limit, cut
from strongroom.api.problems import REFUSALS
from strongroom.api.state import Services
from strongroom.attestations import service as attestations
from strongroom.attestations.model import Attestation
from strongroom.infra.database import Connection, transaction
from strongroom.wallets import service
from strongroom.wallets.model import WalletAddress
from strongroom_core.assets import Asset, choose_asset
from strongroom_core.ids import AddressId


@post("/", opt={"scope": "addresses"}, summary="Get a customer's deposit address", responses=REFUSALS)
async def create_address(data: schemas.NewDepositAddress, caller: Caller, services: Services) -> schemas.DepositAddress:
    """Give the standing address of a reference, made at the first call; the same reference gives the same address."""
    asset = choose_asset(data.asset, services.settings.open_assets)
    async with transaction(services.pool) as connection:
        found = await service.standing_address(connection, asset.chain_id, caller.merchant_id, data.reference)
        return (await _show(connection, services, [found], asset))[0]


@get("/", opt={"scope": "read"}, summary="List deposit addresses", responses=REFUSALS)
async def list_addresses(
    caller: Caller, services: Services, cursor: Cursor = None, limit: Limit = 50
) -> schemas.DepositAddressPage:
    """Give standing addresses, newest first."""
    async with transaction(services.pool) as connection:
        found = await service.list_standing(connection, caller.merchant_id, cursor, limit + 1)
        shown, following = cut(found, limit)
        return schemas.DepositAddressPage(data=await _show(connection, services, shown), next_cursor=following)


@get("/{address_id:str}", opt={"scope": "read"}, summary="Get a deposit address", responses=REFUSALS)
async def get_address(address_id: str, caller: Caller, services: Services) -> schemas.DepositAddress:
    """Give one address of yours."""
    async with transaction(services.pool) as connection:
        found = await service.merchant_address(connection, caller.merchant_id, AddressId(address_id))
        return (await _show(connection, services, [found]))[0]


async def _show(
    connection: Connection, services: Services, found: Sequence[WalletAddress], asset: Asset | None = None
) -> list[schemas.DepositAddress]:
    """Show addresses with what the signers say of them by now."""
    words = await attestations.of_addresses(connection, [item.id for item in found])
    return [_shown(services, item, words[item.id], asset) for item in found]


def _shown(
    services: Services, found: WalletAddress, words: Sequence[Attestation], asset: Asset | None
) -> schemas.DepositAddress:
    """Show it for the asset that was asked for, else for what it was handed out for, else for the chain's first."""
    chain = services.settings.chain(found.chain)
    taken = [item.asset for item in chain.open_assets or chain.held_assets]
    handed_out_for = next((item for item in taken if item.id == found.asset), taken[0])
    return views.deposit_address(found, asset or handed_out_for, taken, services.settings.deployment, words)


router = Router(
    "/deposit-addresses", route_handlers=[create_address, list_addresses, get_address], tags=["Deposit addresses"]
)
