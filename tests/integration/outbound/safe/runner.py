"""A treasury process of an EVM chain for crash tests: it works until it kills itself (SIGKILL) at a named step.

The relayer's own steps are killed in tests/integration/outbound/ethereum.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

from strongroom.chains.ethereum.node import EthereumNode
from strongroom.infra.clock import SystemClock
from strongroom.infra.database import make_pool
from strongroom.infra.settings import Settings
from strongroom.outbound import books as slot_books
from strongroom.outbound import jobs, moves
from strongroom.outbound.ethereum import jobs as relay_jobs
from strongroom.outbound.ethereum import relay
from strongroom.outbound.safe import books, following
from strongroom.outbound.safe import jobs as safe_jobs
from strongroom.outbound.safe import store as safe_store
from strongroom.outbound.safe.handing import Handing
from strongroom.outbound.safe.measuring import Measuring
from strongroom.outbound.safe.service import Safes
from strongroom.outbound.signers import SignerClient
from strongroom.outbound.signing import Signing
from strongroom.treasury.ethereum.planning import SafePlanner
from tests.fixtures import lives

STEPS: lives.Steps = {
    "write-plan": (safe_store, "insert_slot"),
    "commit-plan": (SafePlanner, "plan"),
    "commit-asked": (Signing, "mark_asked"),
    "sign": (SignerClient, "sign_safe"),
    "commit-signature": (Signing, "record_signed"),
    "capture": (slot_books, "capture"),
    "commit-signed": (Signing, "complete"),
    "submit": (relay, "submit"),
    "commit-handed": (Handing, "hand_over"),
    "send": (EthereumNode, "send_raw"),
    "move": (moves, "move"),
    "follow": (following, "follow"),
    "measure": (Measuring, "measure"),
    "settle": (books, "settle"),
    "commit-settled": (following, "settle"),
}
PATIENCE_SECONDS = 45.0


async def work(dsn: str, settings: Settings) -> None:
    chain = settings.chains[0]
    node, keys, clock = EthereumNode(chain), relay_jobs.load_keys(chain), SystemClock()
    signers = jobs.connect_signers(settings.signers)
    async with make_pool(dsn, size=2) as pool:
        planner = SafePlanner(pool, chain, Safes(chain, node), clock, timedelta(0))
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            await following.follow(pool, chain)
            await planner.plan()
            await safe_jobs.sign(pool, chain, signers, node)
            await safe_jobs.hand_over(pool, chain, node)
            for step in (relay_jobs.assign, relay_jobs.sign, relay_jobs.broadcast, relay_jobs.follow):
                await step(pool, chain, node, clock, keys)
            await safe_jobs.measure(pool, chain, node)
            await following.settle(pool, chain)
            await asyncio.sleep(0.02)
    await node.close()


def main(dsn: str, settings: Settings, *kill: Any) -> None:
    """Dies before or after the so manyth time that a step is done."""
    lives.run(work(dsn, settings), STEPS, kill)
