"""The caller itself, and the terms that are in force."""

from __future__ import annotations

from litestar import Router, get

from strongroom.api import schemas, views
from strongroom.api.access import Caller
from strongroom.api.problems import REFUSALS
from strongroom.api.state import Services
from strongroom.infra.database import Connection, transaction
from strongroom.infra.settings import AssetSettings, ChainSettings
from strongroom.infra.stops import Stop, stopped
from strongroom.merchants import service


@get("/", opt={"scope": "read"}, summary="Get yourself", responses=REFUSALS)
async def get_merchant(caller: Caller, services: Services) -> schemas.Merchant:
    """Give what payment intents must name, and fees and minimums of each asset."""
    async with transaction(services.pool) as connection:
        found = await service.get_merchant(connection, caller.merchant_id)
        assets = [
            await _terms(connection, chain, held) for chain in services.settings.chains for held in chain.held_assets
        ]
    return schemas.Merchant(
        id=found.id,
        name=found.name,
        branch=found.branch,
        deployment=services.settings.deployment,
        created_at=views.time_text(found.created_at),
        assets=assets,
    )


async def _terms(connection: Connection, chain: ChainSettings, held: AssetSettings) -> schemas.AssetTerms:
    asset = held.asset
    return schemas.AssetTerms(
        asset=asset.id,
        code=asset.code,
        chain=chain.id,
        chain_name=chain.chain.name,
        decimals=asset.decimals,
        deposit_minimum=views.decimal(held.minimum_deposit, asset),
        deposit_fee_ppm=held.deposit_fee_ppm,
        payout_fee=views.decimal(held.payout_fee, asset),
        payouts_stopped=await stopped(connection, Stop.PAYOUTS, chain.id),
        closed=held.closed,
    )


router = Router("/merchant", route_handlers=[get_merchant], tags=["Merchant"])
