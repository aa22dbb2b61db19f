"""A treasury process for crash tests: it works until nothing is left, or kills itself (SIGKILL) at a named step."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

from strongroom.chains.bitcoin.node import BitcoinNode
from strongroom.chains.service import connect_node
from strongroom.infra.clock import SystemClock
from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.infra.settings import Settings
from strongroom.outbound import books, following, jobs, moves, store
from strongroom.outbound.broadcasting import Broadcasting
from strongroom.outbound.signers import SignerClient
from strongroom.outbound.signing import Signing
from strongroom.treasury.planning import Planner
from tests.fixtures import lives

STEPS: lives.Steps = {
    "write-plan": (store, "insert_version"),
    "commit-plan": (Planner, "plan"),
    "commit-asked": (Signing, "mark_asked"),
    "sign": (SignerClient, "sign"),
    "commit-signature": (Signing, "record_signed"),
    "capture": (books, "capture"),
    "commit-signed": (Signing, "complete"),
    "broadcast": (BitcoinNode, "broadcast"),
    "commit-broadcast": (Broadcasting, "record_broadcast"),
    "move": (moves, "move"),
    "settle": (books, "settle"),
    "follow": (following, "follow"),
}
IDLE_ROUNDS = 2
PATIENCE_SECONDS = 45.0
# What is left to do, though nothing may be due this moment: a busy signer is asked again after a pause, and the locks
# of a process that was killed go when PostgreSQL has noticed.
LEFT = """SELECT (SELECT count(*) FROM treasury_payable WHERE state = 'queued')
    + (SELECT count(*) FROM outbound_slot WHERE state IN ('planned', 'signed')) AS left"""


async def is_left(pool: Pool) -> bool:
    async with transaction(pool) as connection:
        row = await (await connection.execute(LEFT)).fetchone()
    return row is not None and row["left"] > 0


async def work(dsn: str, settings: Settings) -> None:
    chain = settings.chains[0]
    node = connect_node(chain)
    signers = jobs.connect_signers(settings.signers)
    async with make_pool(dsn, size=2) as pool:
        planner = Planner(pool, chain, node, SystemClock(), timedelta(0))
        idle, end = 0, time.monotonic() + PATIENCE_SECONDS
        while idle < IDLE_ROUNDS and time.monotonic() < end:
            done = [
                await following.follow(pool, chain),
                await planner.plan(),
                await jobs.sign(pool, chain, signers),
                await jobs.broadcast(pool, chain, node),
            ]
            idle = 0 if any(done) or await is_left(pool) else idle + 1
            await asyncio.sleep(0 if any(done) else 0.05)
    await node.close()


def main(dsn: str, settings: Settings, *kill: Any) -> None:
    """Dies before or after the so manyth time that a step is done, or so many seconds after it began to work."""
    lives.run(work(dsn, settings), STEPS, kill)
