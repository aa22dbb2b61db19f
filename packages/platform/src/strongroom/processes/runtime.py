"""What every background process does: settings, logs, a pool under its own role, loops, a clean stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog
import uvloop

from strongroom.infra.loops import Loop, run_loops
from strongroom.infra.settings import Settings, load_settings
from strongroom.infra.telemetry import configure_logging

_log = structlog.get_logger(__name__)


def run_process(name: str, body: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    """Run a process until SIGTERM or SIGINT; what is under way ends or rolls back, nothing is half done."""
    configure_logging(name)
    uvloop.run(body(load_settings()))
    _log.info("stopped")


async def run_loops_until_stopped(dsn: str, loops: Sequence[Loop]) -> None:
    """Say that the process is ready, and run its loops until it is told to stop."""
    _log.info("ready", loops=[loop.name for loop in loops])
    await until_stopped(run_loops(dsn, loops))


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Await ``work``, or cancel it at the first SIGTERM or SIGINT; an error of it is raised."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        _log.info("stopping")
