"""A worker's deposit loops as a process of its own, for tests that kill it. Its settings are those of the tests."""

from __future__ import annotations

import asyncio
import sys

from strongroom.deposits.jobs import follow_deposits
from strongroom.infra.database import make_pool
from strongroom.infra.loops import Loop, run_loops
from strongroom.wallets.jobs import follow_coins
from tests.integration.wallets.key_sets import chain_settings


async def main(dsn: str) -> None:
    chain = chain_settings()
    async with make_pool(dsn, size=2) as pool:
        loops = [
            Loop("coins", lambda: follow_coins(pool, chain), every_seconds=0.05, channels=("chain",)),
            Loop("deposits", lambda: follow_deposits(pool, chain), every_seconds=0.05, channels=("chain",)),
        ]
        await run_loops(dsn, loops)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
