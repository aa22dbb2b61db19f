"""A worker's deposit loops as a process of its own, for tests that kill it. Its settings are those of the tests."""

from __future__ import annotations

import asyncio

from strongroom.deposits.jobs import follow_deposits
from strongroom.infra.database import make_pool
from strongroom.infra.loops import Loop, run_loops
from strongroom.wallets.jobs import follow_coins
from tests.integration.wallets.key_sets import chain_settings


def main(dsn: str) -> None:
    asyncio.run(_work(dsn))


async def _work(dsn: str) -> None:
    chain = chain_settings()
    async with make_pool(dsn, size=2) as pool:
        loops = [
            Loop("coins", lambda: follow_coins(pool, chain), every_seconds=0.05, channels=("chain",)),
            Loop("deposits", lambda: follow_deposits(pool, chain), every_seconds=0.05, channels=("chain",)),
        ]
        await run_loops(dsn, loops)
