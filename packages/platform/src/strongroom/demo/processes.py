"""What `up` keeps running: our own processes, and the embedded components, behind one small interface."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeVar

from strongroom.demo.commands import environment_of, open_secret
from strongroom.demo.errors import ProcessStartError
from strongroom.demo.leftovers import remove_record, write_record

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.03
LOG_BYTES_MAX: Final = 20_000_000
LOG_TAIL_LINES: Final = 12
Result = TypeVar("Result")


class Running(Protocol):
    """Something that is started, watched and stopped."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    async def start(self) -> None:
        """Start it and return once it is ready. Raises ``ProcessStartError`` or the component's own error."""
        ...

    async def ended(self) -> str:
        """Return once it has ended by itself, with what is known about why."""
        ...

    async def stop(self) -> None:
        """Stop it cleanly; harmless where it does not run."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


class Component(Protocol):
    """An embedded component: a PostgreSQL or a node."""

    def start(self) -> None:
        """Start it; returns when ready."""
        ...

    def stop(self) -> None:
        """Stop it cleanly."""
        ...

    def server_pid(self) -> int | None:
        """Give its process, or None."""
        ...


async def in_thread(work: Callable[[], Result]) -> Result:
    """Do blocking work elsewhere; cancelled meanwhile, wait for its end first, so that it can be undone."""
    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


@dataclass(slots=True)
class ComponentProcess:
    """A component whose start and stop block, and which starts its own program."""

    name: str
    root: Path
    component: Component
    order: int
    stop_signal: int = signal.SIGTERM
    prepare: Callable[[], Awaitable[None]] | None = None

    async def start(self) -> None:
        """Start it, and do what has to be done before others use it."""
        await in_thread(self.component.start)
        pid = self.component.server_pid()
        if pid is not None:
            write_record(self.root, self.name, pid, self.order, self.stop_signal)
        if self.prepare is not None:
            await self.prepare()

    async def ended(self) -> str:
        """Look now and then."""
        while self.component.server_pid() is not None:  # noqa: ASYNC110 -- the kernel tells only the parent thread
            await asyncio.sleep(1.0)
        await in_thread(self.component.stop)  # gives the folder's lock back, so that it can be started again
        return "its server has ended"

    async def stop(self) -> None:
        """Stop it; everything is written."""
        await in_thread(self.component.stop)
        remove_record(self.root, self.name)

    def kill(self) -> None:
        """End it at once; its next start recovers."""
        pid = self.component.server_pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT if self.stop_signal == signal.SIGINT else signal.SIGKILL)


@dataclass(slots=True)
class OwnProcess:
    """A process of ours: its log goes to a file, and it is ready when it says so there, or at ``ready_url``.

    ``secret`` names the file of a passphrase, which it gets by file descriptor.
    """

    name: str
    root: Path
    argv: tuple[str, ...]
    order: int
    ready_url: str = ""
    secret: Path | None = None
    settings: Path | None = None
    process: asyncio.subprocess.Process | None = field(default=None, init=False)
    log_from: int = field(default=0, init=False)

    @property
    def log_file(self) -> Path:
        """Where its words go."""
        return self.root / "log" / f"{self.name}.log"

    async def start(self) -> None:
        """Start it in a process group of its own, so that Ctrl-C reaches it by us only, and in our order."""
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_BYTES_MAX:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        descriptor = open_secret(self.secret) if self.secret else None
        extra = () if descriptor is None else ("--passphrase-fd", str(descriptor))
        try:
            with self.log_file.open("ab") as log:
                self.log_from = self.log_file.stat().st_size
                self.process = await asyncio.create_subprocess_exec(
                    *self.argv,
                    *extra,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment_of(self.settings),
                    pass_fds=() if descriptor is None else (descriptor,),
                    start_new_session=True,
                )
        finally:
            if descriptor is not None:
                os.close(descriptor)
        write_record(self.root, self.name, self.process.pid, self.order)
        await self._until_ready(self.process)

    async def ended(self) -> str:
        """Wait for the kernel's word."""
        if self.process is None:
            return "never started"
        code = await self.process.wait()
        return f"ended with {code}; see {self.log_file}"

    async def stop(self) -> None:
        """Ask it to end, and make it end after twenty seconds."""
        process = self.process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                self.kill()
                await process.wait()
        remove_record(self.root, self.name)

    def kill(self) -> None:
        """End it and its children at once."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self._is_ready():
                    if process.returncode is not None:
                        raise ProcessStartError(self._failure(f"ended with {process.returncode}"))
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            self.kill()
            raise ProcessStartError(self._failure(f"was not ready after {START_SECONDS:g} s")) from None

    async def _is_ready(self) -> bool:
        if self.ready_url:
            return await asyncio.to_thread(answers, self.ready_url)
        with self.log_file.open("rb") as log:
            log.seek(self.log_from)
            return any(_says_ready(line) for line in log)

    def _failure(self, what: str) -> str:
        with self.log_file.open("rb") as log:
            log.seek(self.log_from)
            tail = log.read()[-4000:].decode(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return f"{self.name} {what}; see {self.log_file}:\n" + "\n".join(tail)


def answers(url: str) -> bool:
    """Whether an HTTP server of this machine answers 200 at ``url``."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 -- http on our own loopback address
            return bool(response.status == 200)  # noqa: PLR2004 -- HTTP's OK
    except (OSError, urllib.error.URLError):
        return False


def _says_ready(line: bytes) -> bool:
    if not line.startswith(b"{") or not line.endswith(b"\n"):
        return False
    try:
        return bool(json.loads(line).get("event") == "ready")
    except (ValueError, AttributeError):
        return False
