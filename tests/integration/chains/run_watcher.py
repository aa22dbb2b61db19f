"""A watcher as a process of its own, for tests that kill it. Reads what it needs as JSON from standard input."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import msgspec

from strongroom.chains.jobs import watch_chain
from strongroom.infra.database import make_pool
from strongroom.infra.settings import ChainSettings


def _path(kind: type, value: object) -> Any:
    return kind(value)


def _tell(height: int, node_height: int) -> None:
    sys.stdout.write(f"{height} of {node_height}\n")
    sys.stdout.flush()


async def main() -> None:
    given = json.loads(sys.stdin.readline())
    settings = msgspec.convert(given["settings"], ChainSettings, dec_hook=_path)
    async with make_pool(given["dsn"], size=1) as pool:
        await watch_chain(settings, pool, _tell)


if __name__ == "__main__":
    asyncio.run(main())
