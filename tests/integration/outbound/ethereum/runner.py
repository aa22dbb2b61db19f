"""A relayer for crash tests: it works until nothing is left, or kills itself (SIGKILL) at a named step."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from strongroom.chains.ethereum.node import EthereumNode
from strongroom.infra.clock import SystemClock
from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.outbound.ethereum import books, jobs, moves, store, transactions
from strongroom.outbound.ethereum.assigning import Assigning
from strongroom.outbound.ethereum.following import Following
from strongroom.outbound.ethereum.raising import Raising
from strongroom.outbound.ethereum.sending import Sending
from tests.fixtures import lives

STEPS: lives.Steps = {
    "insert-nonce": (store, "insert_nonce"),
    "insert-version": (store, "insert_version"),
    "commit-nonce": (Assigning, "assign"),
    "sign": (transactions, "sign"),
    "commit-signed": (Sending, "sign"),
    "send": (EthereumNode, "send_raw"),
    "commit-sent": (Sending, "record_sent"),
    "move": (moves, "move"),
    "raise": (Raising, "add_version"),
    "fill": (Raising, "fill"),
    "commit-mined": (Following, "record_mined"),
    "commit-undone": (Following, "record_undone"),
    "post": (books, "post_gas"),
    "finalise": (moves, "finalise"),
}
PATIENCE_SECONDS = 45.0
LEFT = """SELECT (SELECT count(*) FROM outbound_relay WHERE state IN ('planned', 'signed'))
    + (SELECT count(*) FROM outbound_relay_nonce AS nonce JOIN outbound_relay_version AS version ON nonce_id = nonce.id
       WHERE nonce.state = 'open' AND version.state <> 'broadcast') AS left"""


async def is_left(pool: Pool) -> bool:
    async with transaction(pool) as connection:
        row = await (await connection.execute(LEFT)).fetchone()
    return row is not None and row["left"] > 0


async def work(dsn: str, chain: ChainSettings) -> None:
    node, keys = EthereumNode(chain), jobs.load_keys(chain)
    async with make_pool(dsn, size=2) as pool:
        idle, end = 0, time.monotonic() + PATIENCE_SECONDS
        while idle < 2 and time.monotonic() < end:
            for step in (jobs.assign, jobs.bump, jobs.sign, jobs.broadcast, jobs.follow):
                await step(pool, chain, node, SystemClock(), keys)
            idle = 0 if await is_left(pool) else idle + 1
            await asyncio.sleep(0.02)
    await node.close()


def main(dsn: str, chain: ChainSettings, *kill: Any) -> None:
    """Dies before or after the so manyth time that a step is done."""
    lives.run(work(dsn, chain), STEPS, kill)
