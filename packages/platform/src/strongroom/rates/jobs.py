"""The step that asks the sources. The worker runs it every ``poll_seconds``; the API runs ``refresh_book``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from strongroom.infra.clock import Clock
from strongroom.infra.database import Pool, transaction
from strongroom.infra.settings import RateSettings, Settings
from strongroom.rates import service
from strongroom.rates.service import RateBook
from strongroom.rates.sources import FixedSource, Source, coinbase, kraken


def sources_of(settings: RateSettings) -> list[Source]:
    """Make the sources that the settings name."""
    known: dict[str, Source] = {"fixed": FixedSource(settings.fixed), "kraken": kraken(), "coinbase": coinbase()}
    return [known[name] for name in settings.sources]


async def poll_rates(pool: Pool, settings: Settings, sources: Sequence[Source], clock: Clock) -> int:
    """Ask every source at once, then record in one transaction; zero, so that the loop waits its time."""
    pairs = service.pairs_of(settings)
    answers = await asyncio.gather(*(source.observe(pairs, clock) for source in sources))
    async with transaction(pool) as connection:
        await service.record(connection, settings, [one for answer in answers for one in answer], clock.now())
    return 0


async def refresh_book(pool: Pool, book: RateBook) -> int:
    """Read the newest prices into the book; zero, so that the loop waits for the channel ``rates`` or its time."""
    async with transaction(pool) as connection:
        await book.refresh(connection)
    return 0
