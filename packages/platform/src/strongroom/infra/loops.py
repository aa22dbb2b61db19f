"""Loops: how a process does its work, again and again, woken by PostgreSQL's NOTIFY or by time.

A step looks for rows that are due and returns how many it handled; while it finds some it is called again at once. A
step that fails is logged and tried again after a growing delay: a loop never dies of one error, and says that it is
failing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import structlog
from psycopg import Error as DatabaseError

from strongroom.infra.database import connect

_log = structlog.get_logger(__name__)
MAX_DELAY_SECONDS: Final = 30.0
RECONNECT_SECONDS: Final = 1.0
Item = TypeVar("Item")


@dataclass(slots=True)
class Loop:
    """One named step; ``every_seconds`` at the latest, sooner when any of ``channels`` is notified."""

    name: str
    step: Callable[[], Awaitable[int]]
    every_seconds: float = 1.0
    channels: tuple[str, ...] = ()
    failures: int = 0
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Go on until cancelled."""
        # Python 3.11's `wait_for` swallows a cancellation that comes together with what it waits for; and so may a
        # library in a step. Such a loop would go on for ever, and its process would have to be killed.
        while not _is_being_cancelled():
            self.wake.clear()
            found = await self._try()
            if not found:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), self.every_seconds)

    async def _try(self) -> int:
        try:
            found = await self.step()
        except (Exception, asyncio.CancelledError):
            # The loop is the edge: an error of one step must not end the process's other work.
            if _is_being_cancelled():
                raise
            self.failures += 1
            _log.exception("loop step failed", loop=self.name, failures=self.failures)
            await asyncio.sleep(min(MAX_DELAY_SECONDS, 0.5 * 2 ** min(self.failures, 10)))
            return 0
        self.failures = 0
        return found


def _is_being_cancelled() -> bool:
    """Whether somebody cancels this task; a cancellation that only leaked out of a step would end its loop silently."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def each(
    items: Sequence[Item], do: Callable[[Item], Awaitable[None]], postpone: Callable[[Item, str], Awaitable[None]]
) -> int:
    """Do something with every item; the count. One that fails is put off with the error's name: it starves no other."""
    for item in items:
        try:
            await do(item)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one item, the others have their turn
            _log.exception("item failed", item=str(item))
            await postpone(item, f"internal error ({type(error).__name__}); see the log")
    return len(items)


class LoopEndedError(RuntimeError):
    """A loop ended although nobody stops the process: it has to be started again, not to go on without that loop."""


async def run_loops(dsn: str, loops: Sequence[Loop]) -> None:
    """Run the loops until cancelled; one extra connection listens for them all. Raises a group of what ended one."""
    owner = asyncio.current_task()
    async with asyncio.TaskGroup() as group:
        group.create_task(_listen(dsn, loops))
        for loop in loops:
            group.create_task(_run(loop, owner))


async def _run(loop: Loop, owner: asyncio.Task[None] | None) -> None:
    """Run one; it ends only together with its owner. A task group would not tell that it ended alone."""
    try:
        await loop.run()
    finally:
        if owner is not None and not owner.cancelling():
            message = f"the loop {loop.name} was cancelled by what it ran"
            raise LoopEndedError(message)


async def _listen(dsn: str, loops: Sequence[Loop]) -> None:
    channels = sorted({channel for loop in loops for channel in loop.channels})
    while True:
        try:
            async with await connect(dsn, name="listener") as connection:
                await connection.set_autocommit(True)
                for channel in channels:
                    await connection.execute(f'LISTEN "{channel}"'.encode())
                async for notice in connection.notifies():
                    for loop in loops:
                        if notice.channel in loop.channels:
                            loop.wake.set()
        except (OSError, DatabaseError) as error:
            _log.warning("listener lost its connection; loops go on by time", error=type(error).__name__)
        await asyncio.sleep(RECONNECT_SECONDS)
