"""The life of a watcher: one session after the other with the chain's lock held, each from the event log on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from strongroom.chains.errors import WatcherBusyError
from strongroom.chains.recording import store
from strongroom.infra.database import Connection, Pool

_log = structlog.get_logger(__name__)
RETRY_SECONDS: Final = 1.0
ProgressCallback = Callable[[int, int], None]


async def keep_recording(pool: Pool, chain: str, session: Callable[[Connection], Awaitable[None]]) -> None:
    """Go on until cancelled; losing the database or the lock only starts over from the event log."""
    while True:
        try:
            async with store.sole_writer(pool, chain) as connection:
                await session(connection)
        except WatcherBusyError as error:
            _log.info("standing by", reason=error.message)
        except store.DATABASE_LOST as error:
            _log.warning("the database is away; starting over from the event log", error=type(error).__name__)
        await asyncio.sleep(RETRY_SECONDS)
