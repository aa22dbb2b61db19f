"""The loop's step that follows one chain."""

from __future__ import annotations

from strongroom.deposits import service
from strongroom.infra.clock import Clock, SystemClock
from strongroom.infra.database import Pool, transaction
from strongroom.infra.settings import ChainSettings


async def follow_deposits(pool: Pool, chain: ChainSettings, clock: Clock | None = None) -> int:
    """Handle the next facts of a chain in one transaction; 0 when all is done. The channel ``chain`` wakes it."""
    async with transaction(pool) as connection:
        return await service.follow_chain(connection, chain, (clock or SystemClock()).now())
