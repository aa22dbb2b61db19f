"""A treasury process for crash tests: it works until nothing is left, or kills itself (SIGKILL) at a named step.

`python -m tests.integration.outbound.runner FOLDER [before|after STEP COUNT | within SECONDS]`: dies before or after
the COUNTth time that STEP is done, or so many seconds after it began to work. The hooks are put on here, from outside:
the product knows nothing of them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

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

STEPS: dict[str, tuple[Any, str]] = {
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


def hook(when: str, step: str, count: int) -> None:
    owner, name = STEPS[step]
    setattr(owner, name, _deadly(getattr(owner, name), when, count))


def _deadly(real: Callable[..., Any], when: str, count: int) -> Callable[..., Any]:
    calls = 0

    async def wrapped(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await real(*arguments, **named)
        if calls == count and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return wrapped


async def is_left(pool: Pool) -> bool:
    async with transaction(pool) as connection:
        row = await (await connection.execute(LEFT)).fetchone()
    return row is not None and row["left"] > 0


async def work(folder: Path) -> None:
    dsn = (folder / "dsn").read_text()
    settings = msgspec.json.decode(
        (folder / "settings.json").read_bytes(), type=Settings, dec_hook=lambda _, v: Path(v)
    )
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


if __name__ == "__main__":
    match sys.argv[2:]:
        case ["within", seconds]:
            threading.Timer(float(seconds), os.kill, [os.getpid(), signal.SIGKILL]).start()
        case [when, step, count]:
            hook(when, step, int(count))
    asyncio.run(work(Path(sys.argv[1])))
