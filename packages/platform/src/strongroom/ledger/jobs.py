"""The loop's step: holds whose time is over give back what was not captured."""

from __future__ import annotations

from strongroom.infra.clock import Clock
from strongroom.infra.database import Pool, transaction
from strongroom.ledger import service


async def expire_holds(pool: Pool, clock: Clock) -> int:
    """Release one batch of holds whose time is over; the count of them."""
    async with transaction(pool) as connection:
        return len(await service.expire_holds(connection, clock.now()))
