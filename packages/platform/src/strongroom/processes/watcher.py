"""The watcher: records what chains say; it decides nothing, and its role can insert nothing but facts."""

from __future__ import annotations

import asyncio

import structlog

from strongroom.chains.jobs import watch_chain
from strongroom.infra.database import make_pool
from strongroom.infra.settings import Settings
from strongroom.processes.runtime import run_process, until_stopped

_log = structlog.get_logger(__name__)


async def _watch(settings: Settings) -> None:
    async with make_pool(settings.dsn("watcher"), size=len(settings.chains) + 1, name="watcher") as pool:
        _log.info("ready", chains=[chain.id for chain in settings.chains])
        async with asyncio.TaskGroup() as group:
            for chain in settings.chains:
                group.create_task(watch_chain(chain, pool))


def main() -> None:
    """Run the watcher of every chain in the settings, until told to stop."""
    run_process("watcher", lambda settings: until_stopped(_watch(settings)))


if __name__ == "__main__":
    main()
