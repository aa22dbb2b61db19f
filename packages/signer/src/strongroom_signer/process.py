"""The signer as a process: listeners up, signals heard, everything given back at the end."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strongroom_signer.errors import SignerError
from strongroom_signer.files import write_private
from strongroom_signer.host import Folder, reload, start, take_halt
from strongroom_signer.log import log
from strongroom_signer.server import Server, TlsFiles, tcp_listener, unix_listener

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from strongroom_signer.decide import Signer

# A hand on the host comes by signal, so that a crowd at the socket cannot keep it out.
BY_HAND: Final = {signal.SIGHUP: reload, signal.SIGUSR1: take_halt}
SIGNALS: Final = {*BY_HAND, signal.SIGTERM, signal.SIGINT}
PR_SET_DUMPABLE: Final = 4


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to listen: a Unix socket and its mode, or host and port under TLS, or both."""

    socket: Path | None
    mode: int
    address: tuple[str, int] | None
    tls: TlsFiles | None

    @classmethod
    def read(cls, arguments: argparse.Namespace) -> Listening:
        """Check the options of ``run``. Raises ``SignerError``."""
        files = (arguments.tls_cert, arguments.tls_key, arguments.tls_ca)
        if arguments.listen is None:
            return cls(arguments.socket, arguments.socket_mode, None, None)
        host, _, port = arguments.listen.rpartition(":")
        if None in files or not host or not port.isdecimal():
            message = (
                "--listen wants host:port, --tls-cert, --tls-key and --tls-ca; without them nothing crosses a network"
            )
            raise SignerError(message)
        return cls(arguments.socket, arguments.socket_mode, (host.strip("[]"), int(port)), TlsFiles(*files))


def serve(folder: Folder, passphrase: bytes, listening: Listening) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reads the folder again, SIGUSR1 halts."""
    _hide_memory()
    # Threads inherit the signal mask, so it is set before the first of them.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    signer = start(folder, passphrase)
    servers = _listen(signer, listening)
    where = {"pid": os.getpid(), "socket": str(listening.socket.absolute()) if listening.socket else ""}
    write_private(folder.running, json.dumps(where).encode(), replace=True)
    for server in servers:
        server.start()
    log("ready", signer=signer.key.name, rows=signer.journal.count, halted=signer.status("").halted, **where)
    while (heard := signal.Signals(signal.sigwait(SIGNALS))) in BY_HAND:
        try:
            BY_HAND[heard](signer, folder)
        except (OSError, sqlite3.Error) as error:
            # A journal that could not be written refuses everything from now on; the door stays open to say so.
            log("by-hand-failed", signal=heard.name, error=str(error))
    for server in servers:
        server.close()
    folder.running.unlink(missing_ok=True)
    if listening.socket:
        listening.socket.unlink(missing_ok=True)
    log("stopped", rows=signer.journal.count)


def _hide_memory() -> None:
    """No core dump, and no debugger of the same user: either would show the seed (prctl(2), PR_SET_DUMPABLE)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        message = f"the process's memory cannot be hidden: {os.strerror(ctypes.get_errno())}"
        raise SignerError(message)


def _listen(signer: Signer, listening: Listening) -> list[Server]:
    servers = []
    if listening.socket is not None:
        servers.append(Server(signer, unix_listener(listening.socket, listening.mode)))
    if listening.address is not None and listening.tls is not None:
        servers.append(Server(signer, tcp_listener(*listening.address), listening.tls.context()))
    return servers
