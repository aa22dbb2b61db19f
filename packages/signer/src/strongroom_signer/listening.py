"""Where a process listens: a Unix socket, or TCP under TLS, or both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom_signer.errors import SignerError
from strongroom_signer.server import Server, tcp_listener, unix_listener
from strongroom_signer.tls import TlsFiles

if TYPE_CHECKING:
    import argparse

    from strongroom_signer.server import Answers


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to listen: a Unix socket and its mode, or host and port under TLS, or both."""

    socket: Path | None
    mode: int
    address: tuple[str, int] | None
    tls: TlsFiles | None

    @classmethod
    def read(cls, arguments: argparse.Namespace) -> Listening:
        """Check the options of ``add_options``. Raises ``SignerError``."""
        if arguments.socket is None and arguments.listen is None:
            message = "name a --socket, or --listen with the three --tls files"
            raise SignerError(message)
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


def listen(answers: Answers, listening: Listening) -> list[Server]:
    """Make the servers of every place; each serves once it is started. Raises ``SignerError``, ``BusyError``."""
    servers = []
    if listening.socket is not None:
        servers.append(Server(answers, unix_listener(listening.socket, listening.mode)))
    if listening.address is not None and listening.tls is not None:
        servers.append(Server(answers, tcp_listener(*listening.address), listening.tls.context()))
    return servers


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let a command be told where to listen."""
    parser.add_argument("--socket", type=Path, help="listen on this Unix socket")
    parser.add_argument("--socket-mode", type=lambda text: int(text, 8), default=0o600, help="octal; 600 unless told")
    parser.add_argument("--listen", help="host:port for mutually authenticated TLS 1.3")
    parser.add_argument("--tls-cert", type=Path, help="PEM: this process's certificate")
    parser.add_argument("--tls-key", type=Path, help="PEM: its key")
    parser.add_argument("--tls-ca", type=Path, help="PEM: the authority of who may connect")
