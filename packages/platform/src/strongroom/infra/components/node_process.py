"""What nodes of our own have in common: a program that is found, runs in a folder of its own, and is ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from strongroom.infra.components.errors import ComponentMissingError, ComponentStartError, ComponentStopError
from strongroom.infra.components.hosting import LOOPBACK, FolderLock, is_alive, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

START_TIMEOUT_SECONDS = 60.0  # they answer after 0.1 s and 0.3 s; a machine under load may need long
STOP_TIMEOUT_SECONDS = 60.0  # they write their state
SAID_CHARACTERS = 2_000


def find_program(name: str, variable: str, fetched: Path, configured: str | os.PathLike[str] | None = None) -> Path:
    """Return a node's program: the configured one, else the variable's, the PATH's, the checkout's in `.tools`.

    Raises ComponentMissingError, naming what to do, where there is none.
    """
    named = configured or os.environ.get(variable)
    if named:
        path = Path(named)
        if not os.access(path, os.X_OK):
            message = f"{path} (from the settings or {variable}) is no program that we may run"
            raise ComponentMissingError(message)
        return path
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    for folder in (Path.cwd(), *Path(__file__).resolve().parents):
        if os.access(folder / fetched, os.X_OK):
            return folder / fetched
    message = f"no {name}: run `make tools` in the checkout, install one on the PATH, or set {variable}"
    raise ComponentMissingError(message)


class NodeProcess(ABC):
    """One node's program in a folder of its own, on the loopback address; at most one process of ours runs it."""

    name: ClassVar[str]

    def __init__(self, datadir: Path, rpc_port: int) -> None:
        """Describe a node; nothing is started yet."""
        self.datadir = Path(os.path.abspath(datadir))  # noqa: PTH100 -- keep symlinks: the folder may not exist yet
        self.rpc_port = rpc_port
        self.output_file = self.datadir / "output.log"
        self.log_file = self.output_file  # where to look; a node that keeps a log of its own names that
        self._pid_file = self.datadir / f"{self.name}.pid"
        self._lock = FolderLock(self.datadir)
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _find(self) -> Path:
        """Return the program."""

    @abstractmethod
    def _arguments(self) -> list[str]:
        """Return its command line; `_own_mark` is in it."""

    @abstractmethod
    def _own_mark(self) -> str:
        """Return the argument by which a process is known to work in this folder."""

    @abstractmethod
    def _prepare(self) -> None:
        """Put the folder in order, before a start and after the end of what ran in it."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether our own node answers and is ready."""

    @property
    def rpc_url(self) -> str:
        """Return the RPC address; it holds no credentials."""
        return f"http://{LOOPBACK}:{self.rpc_port}"

    def start(self) -> None:
        """Start the node, on the chain of its last stop where there was one; return when it is ready.

        A node that a killed process of ours left behind is stopped first. Raises ComponentMissingError,
        ComponentBusyError, or ComponentStartError with what the node said.
        """
        argv = [str(self._find()), *self._arguments()]
        self.datadir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock.acquire()
        try:
            self._stop_leftover()
            self._prepare()
            self._launch(argv)
        except BaseException:
            self._lock.release()
            raise

    def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        """Stop cleanly, everything written. Harmless when not running; ComponentStopError after the timeout."""
        pid = self.server_pid()
        if pid is not None:
            self._terminate(pid, timeout_seconds)
        self._process = None
        self._lock.release()

    def kill(self) -> None:
        """End the node at once, as a crash would; for tests of recovery."""
        pid = self.server_pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: self._ended(pid), STOP_TIMEOUT_SECONDS)
        self._process = None
        self._lock.release()

    def __enter__(self) -> Self:
        """Start on entry."""
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop on exit."""
        self.stop()

    def server_pid(self) -> int | None:
        """Return the process id of the running node of this folder, or None."""
        if self._process is not None:
            return self._process.pid if self._process.poll() is None else None
        with contextlib.suppress(OSError, ValueError):
            pid = int(self._pid_file.read_text(encoding="ascii"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if is_alive(pid) and os.fsencode(self._own_mark()) in command:
                return pid
        return None

    def _launch(self, argv: Sequence[str]) -> None:
        with self.output_file.open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C on the terminal is the supervisor's to handle, in its order
                env={"PATH": os.defpath, "HOME": str(self.datadir), "LC_ALL": "C"},
            )
        process = self._process
        self._pid_file.write_text(f"{process.pid}\n", encoding="ascii")
        wait_until(lambda: process.poll() is not None or self._answers(), START_TIMEOUT_SECONDS)
        if process.poll() is not None or not self._answers():
            if process.poll() is None:
                self._terminate(process.pid, STOP_TIMEOUT_SECONDS)
            said = self.output_file.read_text(encoding="utf-8", errors="replace")[-SAID_CHARACTERS:]
            message = f"{self.name} did not start in {self.datadir}: {said.strip() or f'see {self.log_file}'}"
            raise ComponentStartError(message)

    def _stop_leftover(self) -> None:
        pid = self.server_pid()
        if pid is not None:
            self._terminate(pid, STOP_TIMEOUT_SECONDS)

    def _terminate(self, pid: int, timeout_seconds: float) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)  # the node's own clean way out: it writes its state
        if not wait_until(lambda: self._ended(pid), timeout_seconds):
            message = f"{self.name} (process {pid}) did not stop in {timeout_seconds:g} s; see {self.log_file}"
            raise ComponentStopError(message)

    def _ended(self, pid: int) -> bool:
        if self._process is not None and self._process.pid == pid:
            return self._process.poll() is not None
        return not is_alive(pid)
