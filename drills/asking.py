"""What a thief with a merchant's token does over the API, and waiting for what becomes of it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from strongroom_client.errors import ApiError, ProtocolError, UnreachableError
from strongroom_core.intents import SignedIntent

if TYPE_CHECKING:
    from drills.world import Shop, World

_SENT: Final = frozenset({"broadcast", "confirmed", "final"})
_OVER: Final = _SENT | {"refused", "cancelled", "expired"}
WAIT_SECONDS: Final = 25.0


async def hand_in(world: World, shop: Shop, signed: SignedIntent, what: str) -> str:
    """Hand a signed intent in at the API; the payout's id, or nothing where it was not taken."""
    try:
        payout = await shop.api(lambda api: api.send_payout(signed))
    except (ApiError, ProtocolError, UnreachableError) as error:
        world.thief.note(what, error.code)
        return ""
    world.thief.note(what, payout["status"])
    return str(payout["id"])


async def ends(world: World, shop: Shop, *payouts: str, seconds: float = WAIT_SECONDS) -> int:
    """Wait until payouts are sent or refused, and cancel those that still wait then; how many were sent."""
    deadline = time.monotonic() + seconds
    sent = 0
    for payout in filter(None, payouts):
        status = await _status(shop, payout)
        while status not in _OVER and time.monotonic() < deadline:
            await asyncio.sleep(0.3)
            status = await _status(shop, payout)
        sent += status in _SENT
        world.thief.note(f"payout {payout}", status)
        if status not in _OVER:
            await _cancel(shop, payout)
    if sent:
        await world.outside.mine()  # change can be spent from its first block on
    return sent


async def _status(shop: Shop, payout: str) -> str:
    try:
        return (await shop.api(lambda api: api.payout(payout)))["status"]
    except (ApiError, UnreachableError) as error:
        return str(error.code)


async def _cancel(shop: Shop, payout: str) -> None:
    try:
        await shop.api(lambda api: api.cancel_payout(payout))
    except (ApiError, UnreachableError):
        return
