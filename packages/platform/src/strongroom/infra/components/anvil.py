"""An Ethereum node of our own (anvil): found, started on the loopback address only, spoken to by RPC, stopped.

It is for tests, the demonstration and benchmarks: a real EVM with a real JSON-RPC, but one node without peers, whose
chain is what its state file says. A stop writes that file, and a start finds the same blocks, hashes, receipts and
balances.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

from strongroom.infra.components.errors import (
    ComponentMissingError,
    ComponentStartError,
    ComponentStopError,
    NodeRpcError,
    NodeUnreachableError,
)
from strongroom.infra.components.ethereum_rpc import EthereumRpc, JsonValue
from strongroom.infra.components.hosting import LOOPBACK, FolderLock, is_alive, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

START_TIMEOUT_SECONDS = 60.0  # it answers after 0.1 s; a machine under load may need long
STOP_TIMEOUT_SECONDS = 60.0  # it writes its state
PROGRAM_VARIABLE = "STRONGROOM_ANVIL"
FETCHED_PROGRAM = Path(".tools") / "anvil" / "anvil"
DEFAULT_CHAIN_ID = 31337
STATE_INTERVAL_SECONDS = 5  # what a crash of the machine loses of the chain, at most
SLOTS_IN_AN_EPOCH = 1  # makes `finalized` the latest block less two, and `safe` less one
DEV_ACCOUNTS = 10  # each with 10,000 ETH; the keys are public, the node signs for them (`eth_accounts`)


def find_anvil(configured: str | os.PathLike[str] | None = None) -> Path:
    """Return the node's program: the configured one, else STRONGROOM_ANVIL, the PATH, the checkout's `.tools`.

    Raises ComponentMissingError, naming what to do, where there is none.
    """
    named = configured or os.environ.get(PROGRAM_VARIABLE)
    if named:
        path = Path(named)
        if not os.access(path, os.X_OK):
            message = f"{path} (from the settings or {PROGRAM_VARIABLE}) is no program that we may run"
            raise ComponentMissingError(message)
        return path
    on_path = shutil.which("anvil")
    if on_path:
        return Path(on_path)
    for folder in (Path.cwd(), *Path(__file__).resolve().parents):
        if os.access(folder / FETCHED_PROGRAM, os.X_OK):
            return folder / FETCHED_PROGRAM
    message = f"no anvil: run `make tools` in the checkout, install one on the PATH, or set {PROGRAM_VARIABLE}"
    raise ComponentMissingError(message)


class EthereumNode:
    """One anvil in a folder of its own, on one port of the loopback address."""

    def __init__(
        self,
        datadir: Path,
        rpc_port: int,
        *,
        chain_id: int = DEFAULT_CHAIN_ID,
        block_time_seconds: float | None = None,
        automine: bool = True,
        keep_state: bool = True,
        program: Path | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """Describe a node; nothing is started yet.

        It makes a block every `block_time_seconds`; where that is None, one for each chain tx, or with `automine`
        false only when asked (`mine`). Without `keep_state` the chain ends with the process. `options` are further
        command-line options.
        """
        self.datadir = Path(os.path.abspath(datadir))  # noqa: PTH100 -- keep symlinks: the folder may not exist yet
        self.rpc_port = rpc_port
        self.chain_id = chain_id
        self.log_file = self.datadir / "output.log"
        self.state_file = self.datadir / "state.json"
        self._pid_file = self.datadir / "anvil.pid"
        self._block_time_seconds = block_time_seconds
        self._automine = automine
        self._keep_state = keep_state
        self._program = program
        self._options = tuple(options)
        self._lock = FolderLock(self.datadir)
        self._process: subprocess.Popen[bytes] | None = None
        self._client = EthereumRpc(rpc_port)

    @property
    def rpc_url(self) -> str:
        """Return the RPC address; it holds no credentials."""
        return f"http://{LOOPBACK}:{self.rpc_port}"

    def start(self) -> None:
        """Start the node, on the chain of its last stop where there was one; return when RPC answers.

        A node that a killed process of ours left behind is stopped first. Raises ComponentMissingError,
        ComponentBusyError, or ComponentStartError with what the node said.
        """
        program = str(self._program or find_anvil())
        self.datadir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock.acquire()
        try:
            self._stop_leftover()
            self._mend_state()
            self._launch([program, *self._arguments()])
        except BaseException:
            self._lock.release()
            raise

    def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        """Stop cleanly, the chain written. Harmless when not running; ComponentStopError after the timeout."""
        pid = self.server_pid()
        if pid is not None:
            self._terminate(pid, timeout_seconds)
        self._process = None
        self._lock.release()

    def kill(self) -> None:
        """End the node at once, as a crash would: the chain falls back to its last written state; for tests."""
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

    def rpc(self, method: str, *params: object) -> JsonValue:
        """Call one RPC method; see EthereumRpc.call."""
        return self._client.call(method, *params)

    def mine(self, blocks: int = 1) -> None:
        """Make blocks now; the first takes what waits in the mempool."""
        self.rpc("anvil_mine", hex(blocks))

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

    def _own_mark(self) -> str:
        """Return the argument by which a process is known to work in this folder."""
        return f"--cache-path={self.datadir}/cache"

    def _arguments(self) -> list[str]:
        mining = [] if self._automine else ["--no-mining"]
        if self._block_time_seconds is not None:
            mining = [f"--block-time={self._block_time_seconds:g}"]
        state = [
            f"--state={self.state_file}",
            f"--state-interval={STATE_INTERVAL_SECONDS}",
            "--preserve-historical-states",  # balances at an earlier block are asked for after a restart too
        ]
        return [
            f"--host={LOOPBACK}",
            f"--port={self.rpc_port}",
            f"--chain-id={self.chain_id}",
            f"--slots-in-an-epoch={SLOTS_IN_AN_EPOCH}",
            f"--accounts={DEV_ACCOUNTS}",
            "--no-cors",  # no web page that this machine's user opens may talk to it
            "--color=never",
            self._own_mark(),
            *mining,
            *(state if self._keep_state else []),
            *self._options,
        ]

    def _launch(self, argv: Sequence[str]) -> None:
        with self.log_file.open("wb") as log:
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
            said = self.log_file.read_text(encoding="utf-8", errors="replace")[-2000:]
            message = f"anvil did not start in {self.datadir}: {said.strip() or f'see {self.log_file}'}"
            raise ComponentStartError(message)

    def _answers(self) -> bool:
        """Whether our own node answers: another program on the port has no such chain, or no JSON-RPC at all."""
        with contextlib.suppress(NodeUnreachableError, NodeRpcError, ValueError):
            return int(self._client.call("eth_chainId"), 16) == self.chain_id
        return False

    def _mend_state(self) -> None:
        """Keep a copy of a state that can be read; put it back where a crash left half a state."""
        last_good = self.state_file.with_name("state.last-start.json")
        with contextlib.suppress(FileNotFoundError):
            try:
                json.loads(self.state_file.read_bytes())
            except ValueError:
                self.state_file.replace(self.state_file.with_name("state.unreadable.json"))
                shutil.copyfile(last_good, self.state_file)
            else:
                shutil.copyfile(self.state_file, last_good)

    def _stop_leftover(self) -> None:
        pid = self.server_pid()
        if pid is not None:
            self._terminate(pid, STOP_TIMEOUT_SECONDS)

    def _terminate(self, pid: int, timeout_seconds: float) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)  # it writes its state and ends
        if not wait_until(lambda: self._ended(pid), timeout_seconds):
            message = f"anvil (process {pid}) did not stop in {timeout_seconds:g} s; see {self.log_file}"
            raise ComponentStopError(message)

    def _ended(self, pid: int) -> bool:
        if self._process is not None and self._process.pid == pid:
            return self._process.poll() is not None
        return not is_alive(pid)
