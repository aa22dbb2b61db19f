"""The watcher: records what chains say; it decides nothing, and its role can insert nothing but facts."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from strongroom.chains.jobs import watch_chain
from strongroom.infra.database import make_pool
from strongroom.infra.settings import Settings
from strongroom.processes.runtime import run_process, until_stopped

_log = structlog.get_logger(__name__)
TELL_SECONDS: Final = 5.0


class CatchUp:
    """Says in the log how far a chain is behind its node: at once, then now and then, and when it has caught up."""

    def __init__(self, chain: str) -> None:
        """Speak of ``chain``."""
        self._chain = chain
        self._next_at: float | None = None

    def __call__(self, recorded: int, node_height: int) -> None:
        """Hear that blocks were recorded up to a height, of those that the node has."""
        if recorded >= node_height:
            if self._next_at is not None:
                _log.info("caught up", chain=self._chain, height=recorded)
            self._next_at = None
        elif self._next_at is None or time.monotonic() >= self._next_at:
            behind = node_height - recorded
            _log.info("catching up", chain=self._chain, height=recorded, node_height=node_height, behind=behind)
            self._next_at = time.monotonic() + TELL_SECONDS


async def _watch(settings: Settings) -> None:
    async with make_pool(settings.dsn("watcher"), size=len(settings.chains) + 1, name="watcher") as pool:
        _log.info("ready", chains=[chain.id for chain in settings.chains])
        async with asyncio.TaskGroup() as group:
            for chain in settings.chains:
                group.create_task(watch_chain(chain, pool, CatchUp(chain.id)))


def main() -> None:
    """Run the watcher of every chain in the settings, until told to stop."""
    run_process("watcher", lambda settings: until_stopped(_watch(settings)))


if __name__ == "__main__":
    main()
