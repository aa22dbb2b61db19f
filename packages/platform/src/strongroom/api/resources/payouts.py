"""Payouts: each is a payment intent that the merchant signed where we cannot reach."""

from __future__ import annotations

import structlog
from litestar import Router, get, post

from strongroom.api import schemas, views
from strongroom.api.access import Caller
from strongroom.api.paging import Cursor, Limit, cut
from strongroom.api.problems import REFUSALS
from strongroom.api.state import Services
from strongroom.infra.database import Connection, transaction
from strongroom.payouts import service
from strongroom.payouts.model import Payout, PayoutKind
from strongroom_core.intents import SignedIntent

_log = structlog.get_logger(__name__)


@post("/", opt={"scope": "payouts"}, summary="Send a signed payout", responses=REFUSALS)
async def create_payout(data: schemas.NewPayout, caller: Caller, services: Services) -> schemas.Payout:
    """Take a signed intent: amount and fee are held at once.

    The payout id in the intent makes it safe to send again.
    """
    signed = SignedIntent(bytes.fromhex(data.intent), bytes.fromhex(data.public_key), bytes.fromhex(data.signature))
    async with transaction(services.pool) as connection:
        made = await service.create_payout(
            connection, services.settings, caller.merchant_id, signed, PayoutKind(data.kind), services.now()
        )
        _log.info("payout taken", payout_id=made.id, merchant_id=made.merchant_id)
        return await _show(connection, made)


@get("/", opt={"scope": "read"}, summary="List payouts", responses=REFUSALS)
async def list_payouts(
    caller: Caller, services: Services, cursor: Cursor = None, limit: Limit = 50
) -> schemas.PayoutPage:
    """Give payouts, newest first."""
    async with transaction(services.pool) as connection:
        found = await service.list_payouts(connection, caller.merchant_id, cursor, limit + 1)
        shown, following = cut(found, limit)
        return schemas.PayoutPage(data=[await _show(connection, item) for item in shown], next_cursor=following)


@get("/{payout_id:str}", opt={"scope": "read"}, summary="Get a payout", responses=REFUSALS)
async def get_payout(payout_id: str, caller: Caller, services: Services) -> schemas.Payout:
    """Give one payout and its life so far."""
    async with transaction(services.pool) as connection:
        return await _show(connection, await service.get_payout(connection, caller.merchant_id, payout_id))


@post(
    "/{payout_id:str}/cancel", opt={"scope": "payouts"}, status_code=200, summary="Cancel a payout", responses=REFUSALS
)
async def cancel_payout(payout_id: str, caller: Caller, services: Services) -> schemas.Payout:
    """Take back a payout that waits; where a signer may have seen it, that signer's void comes first."""
    async with transaction(services.pool) as connection:
        return await _show(connection, await service.cancel_payout(connection, caller.merchant_id, payout_id))


async def _show(connection: Connection, found: Payout) -> schemas.Payout:
    confirmations = await service.confirmations(connection, found)
    timeline = await service.timeline(connection, found.merchant_id, found.id)
    return views.payout(service.view(found), confirmations, timeline)


router = Router("/payouts", route_handlers=[create_payout, list_payouts, get_payout, cancel_payout], tags=["Payouts"])
