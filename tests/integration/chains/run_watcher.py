"""A watcher as a process of its own, for tests that kill it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from strongroom.chains.jobs import watch_chain
from strongroom.infra.components.hosting import wait_until
from strongroom.infra.database import make_pool
from strongroom.infra.settings import ChainSettings
from tests.fixtures.forked import fork

RECORDED = b"recorded "


def main(dsn: str, settings: ChainSettings) -> None:
    asyncio.run(_watch(dsn, settings))


async def _watch(dsn: str, settings: ChainSettings) -> None:
    async with make_pool(dsn, size=1) as pool:
        await watch_chain(settings, pool, _tell)


def _tell(height: int, node_height: int) -> None:
    sys.stdout.write(f"{RECORDED.decode()}{height} of {node_height}\n")
    sys.stdout.flush()


async def live(dsn: str, settings: ChainSettings, seconds: float) -> float:
    """One life of a watcher, ended when it has recorded something, or after so many seconds; how long it took."""
    begun = time.monotonic()
    with tempfile.NamedTemporaryFile() as said:
        told = Path(said.name)
        process = fork(told, main, dsn, settings)
        await asyncio.to_thread(wait_until, lambda: RECORDED in told.read_bytes(), seconds)
        took = time.monotonic() - begun
        process.kill()
        process.join()
        process.close()
    return took
