"""A relayer for crash tests: it works until nothing is left, or kills itself (SIGKILL) at a named step.

`python -m tests.integration.outbound.ethereum.runner FOLDER [before|after STEP COUNT]`: dies before or after the
COUNTth time that STEP is done. The hooks are put on here, from outside: the product knows nothing of them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from strongroom.chains.ethereum.node import EthereumNode
from strongroom.infra.clock import SystemClock
from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.outbound.ethereum import books, jobs, moves, store, transactions
from strongroom.outbound.ethereum.assigning import Assigning
from strongroom.outbound.ethereum.following import Following
from strongroom.outbound.ethereum.raising import Raising
from strongroom.outbound.ethereum.sending import Sending

STEPS: dict[str, tuple[Any, str]] = {
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


def hook(when: str, step: str, count: int) -> None:
    owner, name = STEPS[step]
    real = getattr(owner, name)
    setattr(owner, name, (_deadly if asyncio.iscoroutinefunction(real) else _deadly_at_once)(real, when, count))


def _die_if(now: bool) -> None:
    if now:
        os.kill(os.getpid(), signal.SIGKILL)


def _deadly(real: Callable[..., Any], when: str, count: int) -> Callable[..., Any]:
    calls = 0

    async def wrapped(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        _die_if(calls == count and when == "before")
        answer = await real(*arguments, **named)
        _die_if(calls == count and when == "after")
        return answer

    return wrapped


def _deadly_at_once(real: Callable[..., Any], when: str, count: int) -> Callable[..., Any]:
    calls = 0

    def wrapped(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        _die_if(calls == count and when == "before")
        answer = real(*arguments, **named)
        _die_if(calls == count and when == "after")
        return answer

    return wrapped


async def is_left(pool: Pool) -> bool:
    async with transaction(pool) as connection:
        row = await (await connection.execute(LEFT)).fetchone()
    return row is not None and row["left"] > 0


async def work(folder: Path) -> None:
    dsn = (folder / "dsn").read_text()
    chain = msgspec.json.decode(
        (folder / "chain.json").read_bytes(), type=ChainSettings, dec_hook=lambda _, text: Path(text)
    )
    node, keys = EthereumNode(chain), jobs.load_keys(chain)
    async with make_pool(dsn, size=2) as pool:
        idle, end = 0, time.monotonic() + PATIENCE_SECONDS
        while idle < 2 and time.monotonic() < end:
            for step in (jobs.assign, jobs.bump, jobs.sign, jobs.broadcast, jobs.follow):
                await step(pool, chain, node, SystemClock(), keys)
            idle = 0 if await is_left(pool) else idle + 1
            await asyncio.sleep(0.02)
    await node.close()


def main(folder: Path, *kill: str) -> None:
    """Work in this process, and end it; nothing of the parent's is inherited but the imports."""
    if kill:
        hook(kill[0], kill[1], int(kill[2]))
    asyncio.run(work(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
