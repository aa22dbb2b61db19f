"""A Bitcoin node of our own: found, started on the loopback address only, spoken to by RPC, stopped."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

from strongroom.infra.components.bitcoin_rpc import RPC_IN_WARMUP, BitcoinRpc, JsonValue
from strongroom.infra.components.errors import (
    ComponentMissingError,
    ComponentStartError,
    ComponentStopError,
    NodeRpcError,
    NodeUnreachableError,
)
from strongroom.infra.components.hosting import LOOPBACK, FolderLock, is_alive, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

START_TIMEOUT_SECONDS = 60.0  # a regtest node answers after 0.3 s; a machine under load may need long
STOP_TIMEOUT_SECONDS = 60.0  # it writes its databases
PROGRAM_VARIABLE = "STRONGROOM_BITCOIND"
FETCHED_PROGRAM = Path(".tools") / "bitcoin" / "bitcoind"
ZMQ_TOPICS = ("hashblock", "hashtx", "rawblock", "rawtx", "sequence")


def find_bitcoind(configured: str | os.PathLike[str] | None = None) -> Path:
    """Return the node's program: the configured one, else STRONGROOM_BITCOIND, the PATH, the checkout's `.tools`.

    Raises ComponentMissingError, naming what to do, where there is none.
    """
    named = configured or os.environ.get(PROGRAM_VARIABLE)
    if named:
        path = Path(named)
        if not os.access(path, os.X_OK):
            message = f"{path} (from the settings or {PROGRAM_VARIABLE}) is no program that we may run"
            raise ComponentMissingError(message)
        return path
    on_path = shutil.which("bitcoind")
    if on_path:
        return Path(on_path)
    for folder in (Path.cwd(), *Path(__file__).resolve().parents):
        if os.access(folder / FETCHED_PROGRAM, os.X_OK):
            return folder / FETCHED_PROGRAM
    message = f"no bitcoind: run `make tools` in the checkout, install one on the PATH, or set {PROGRAM_VARIABLE}"
    raise ComponentMissingError(message)


class BitcoinNode:
    """One bitcoind (regtest unless told) in a folder of its own, with all of its ports on the loopback address."""

    def __init__(
        self,
        datadir: Path,
        rpc_port: int,
        p2p_port: int,
        zmq_port: int,
        *,
        connect: Sequence[int] = (),
        txindex: bool = False,
        chain: str = "regtest",
        program: Path | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """Describe a node; nothing is started yet.

        `connect` lists P2P ports of other nodes on this machine to keep connections with; `options` are further
        command-line options, which win.
        """
        self.datadir = Path(os.path.abspath(datadir))  # noqa: PTH100 -- keep symlinks: the folder may not exist yet
        self.rpc_port = rpc_port
        self.p2p_port = p2p_port
        self.zmq_port = zmq_port
        self.chain = chain
        self.cookie_file = self.datadir / chain / ".cookie"
        self.log_file = self.datadir / chain / "debug.log"
        self._connect = tuple(connect)
        self._txindex = txindex
        self._program = program
        self._options = tuple(options)
        self._lock = FolderLock(self.datadir)
        self._process: subprocess.Popen[bytes] | None = None
        self._client = BitcoinRpc(rpc_port, self.cookie_file)

    @property
    def rpc_url(self) -> str:
        """Return the RPC address; it holds no credentials."""
        return f"http://{LOOPBACK}:{self.rpc_port}"

    @property
    def zmq_url(self) -> str:
        """Return the address that publishes all ZMQ topics of ZMQ_TOPICS."""
        return f"tcp://{LOOPBACK}:{self.zmq_port}"

    def start(self) -> None:
        """Start the node and return when RPC answers and its chain is loaded.

        A node that a killed process of ours left behind is stopped first. Raises ComponentMissingError,
        ComponentBusyError, or ComponentStartError with what the node said.
        """
        argv = [str(self._program or find_bitcoind()), *self._arguments()]
        self.datadir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock.acquire()
        try:
            self._stop_leftover()
            self.cookie_file.unlink(missing_ok=True)
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

    def rpc(self, method: str, *params: object, wallet: str | None = None) -> JsonValue:
        """Call one RPC method; see BitcoinRpc.call."""
        return self._client.call(method, *params, wallet=wallet)

    def server_pid(self) -> int | None:
        """Return the process id of the running node of this folder, or None."""
        if self._process is not None:
            return self._process.pid if self._process.poll() is None else None
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.datadir / self.chain / "bitcoind.pid").read_text(encoding="ascii"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if is_alive(pid) and os.fsencode(f"-datadir={self.datadir}") in command:
                return pid
        return None

    def _arguments(self) -> list[str]:
        here = f"{LOOPBACK}:{self.p2p_port}"
        return [
            f"-chain={self.chain}",
            f"-datadir={self.datadir}",
            "-server=1",
            "-daemon=0",
            f"-rpcbind={LOOPBACK}",
            f"-rpcallowip={LOOPBACK}",
            f"-rpcport={self.rpc_port}",
            "-rpcworkqueue=256",
            f"-bind={here}",
            "-listen=1",
            "-listenonion=0",
            "-discover=0",
            "-dnsseed=0",
            "-fixedseeds=0",
            f"-txindex={int(self._txindex)}",
            "-printtoconsole=0",
            "-dbcache=64",
            *(["-fallbackfee=0.0001"] if self.chain == "regtest" else []),  # estimatesmartfee has no data there
            *(f"-zmqpub{topic}={self.zmq_url}" for topic in ZMQ_TOPICS),
            *(f"-addnode={LOOPBACK}:{port}" for port in self._connect),
            *self._options,
        ]

    def _launch(self, argv: Sequence[str]) -> None:
        output = self.datadir / "output.log"
        with output.open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C on the terminal is the supervisor's to handle, in its order
                env={"PATH": os.defpath, "HOME": str(self.datadir), "LC_ALL": "C"},
            )
        process = self._process
        wait_until(lambda: process.poll() is not None or self._answers(), START_TIMEOUT_SECONDS)
        if process.poll() is not None or not self._answers():
            if process.poll() is None:
                self._terminate(process.pid, STOP_TIMEOUT_SECONDS)
            said = output.read_text(encoding="utf-8", errors="replace")[-2000:]
            message = f"bitcoind did not start in {self.datadir}: {said.strip() or f'see {self.log_file}'}"
            raise ComponentStartError(message)

    def _answers(self) -> bool:
        if not self.cookie_file.exists():
            return False
        try:
            self._client.call("getblockcount")
        except NodeUnreachableError:
            return False
        except NodeRpcError as error:
            if error.rpc_code != RPC_IN_WARMUP:
                raise
            return False
        return True

    def _stop_leftover(self) -> None:
        pid = self.server_pid()
        if pid is not None:
            self._terminate(pid, STOP_TIMEOUT_SECONDS)

    def _terminate(self, pid: int, timeout_seconds: float) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)  # the node's own clean way out, as its `stop` command
        if not wait_until(lambda: self._ended(pid), timeout_seconds):
            message = f"bitcoind (process {pid}) did not stop in {timeout_seconds:g} s; see {self.log_file}"
            raise ComponentStopError(message)

    def _ended(self, pid: int) -> bool:
        if self._process is not None and self._process.pid == pid:
            return self._process.poll() is not None
        return not is_alive(pid)
