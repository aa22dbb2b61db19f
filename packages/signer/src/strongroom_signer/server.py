"""The door: frames in, frames out, over a Unix socket, or over TCP with TLS 1.3 and certificates on both sides."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol

from strongroom_core.errors import InvalidValueError
from strongroom_core.messages import Refused, SignRequest
from strongroom_core.protocol import decode_message
from strongroom_core.refusals import RefusalTag
from strongroom_core.wire import LENGTH_BYTES, frame, frame_length
from strongroom_signer.errors import BusyError, SignerError
from strongroom_signer.log import log

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom_core.wire import Message

# A frame that has begun must arrive within this; a connection may wait idle between requests for longer.
FRAME_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 600.0
DRAIN_SECONDS: Final = 1.0
ACCEPT_PAUSE_SECONDS: Final = 0.1
# Zero would make the socket non-blocking.
MIN_WAIT_SECONDS: Final = 0.001
DRAIN_CHUNKS: Final = 16
MAX_CONNECTIONS: Final = 32
_BACKLOG: Final = 16
_CHUNK: Final = 1 << 16
_UCRED: Final = struct.Struct("3i")


def unix_listener(path: Path, mode: int = 0o600) -> socket.socket:
    """Listen on a Unix socket of that mode; a dead socket is replaced, a live one is not. Raises ``BusyError``."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    _remove_dead(path)
    # Nobody may connect between bind and chmod: the mask makes it private from the first moment.
    mask = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    except OSError as error:
        message = f"cannot listen on {path}: {error.strerror or error}"
        raise SignerError(message) from None
    finally:
        os.umask(mask)
    path.chmod(mode)
    listener.listen(_BACKLOG)
    return listener


def tcp_listener(host: str, port: int) -> socket.socket:
    """Listen on TCP; only ever used under TLS."""
    return socket.create_server((host, port), backlog=_BACKLOG)


def _remove_dead(path: Path) -> None:
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    message = f"another process listens on {path}"
    raise BusyError(message)


class Answers(Protocol):
    """Whoever gives the one answer to one request."""

    def answer(self, message: Message) -> Message:
        """Give it; raises nothing."""


class Server:
    """Accepts connections on one listener, each in a thread; the signer's own lock makes requests go one by one."""

    def __init__(self, signer: Answers, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Serve nothing yet; ``start`` does."""
        self._signer = signer
        self._listener = listener
        self._tls = tls
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)

    def start(self) -> None:
        """Accept in a thread that ends with the process."""
        threading.Thread(target=self._accept, name="accept", daemon=True).start()

    def _accept(self) -> None:
        while True:
            self._free.acquire()
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                self._free.release()
                if self._listener.fileno() < 0:
                    return
                # A connection that failed before we took it, or no descriptor left: no reason to be deaf for ever.
                log("accept-failed", error=type(error).__name__)
                time.sleep(ACCEPT_PAUSE_SECONDS)
                continue
            threading.Thread(target=self._serve, args=(connection,), name="connection", daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        self._listener.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(FRAME_SECONDS)
            peer = _peer(connection)
            secured = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            with secured:
                log("connected", peer=peer)
                while _answer_one(self._signer, secured, peer):
                    pass
        except OSError as error:
            log("connection-failed", error=type(error).__name__)
        finally:
            connection.close()
            self._free.release()


def _answer_one(signer: Answers, connection: socket.socket, peer: dict[str, object]) -> bool:
    header = _receive(connection, LENGTH_BYTES, IDLE_SECONDS)
    if header is None:
        return False
    try:
        data = _receive(connection, frame_length(header), FRAME_SECONDS)
        if data is None:
            return False
        connection.settimeout(FRAME_SECONDS)
        answer = frame(_answer(signer, decode_message(data), peer))
    except InvalidValueError as error:
        # After bytes that are no message nothing on this connection can be trusted to be in step.
        log("malformed", peer=peer, reason=error.message)
        connection.sendall(frame(Refused("", RefusalTag.REQUEST_MALFORMED.value, error.message, "")))
        _drain(connection)
        return False
    connection.sendall(answer)
    return True


def _drain(connection: socket.socket) -> None:
    """Read what is still coming, a little and for a moment: a close with unread bytes would take the answer back."""
    connection.settimeout(DRAIN_SECONDS)
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        for _ in range(DRAIN_CHUNKS):
            if not connection.recv(_CHUNK):
                return


def _answer(signer: Answers, message: Message, peer: dict[str, object]) -> Message:
    answer = signer.answer(message)
    log(
        "answered",
        peer=peer,
        request=getattr(message, "request_id", ""),
        asked=message.kind,
        answer=answer.kind,
        **({"tag": answer.tag, "reason": answer.reason} if isinstance(answer, Refused) else {}),
        **({"chain": message.chain} if isinstance(message, SignRequest) else {}),
    )
    return answer


def _receive(connection: socket.socket, size: int, within_seconds: float) -> bytes | None:
    """Read ``size`` bytes, all of them within ``within_seconds``: a byte now and then does not hold a connection."""
    parts: list[bytes] = []
    missing, end = size, time.monotonic() + within_seconds
    while missing:
        connection.settimeout(max(end - time.monotonic(), MIN_WAIT_SECONDS))
        part = connection.recv(min(missing, _CHUNK))
        if not part:
            return None
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _peer(connection: socket.socket) -> dict[str, object]:
    if connection.family == socket.AF_UNIX:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        pid, uid, gid = _UCRED.unpack(credentials)
        return {"pid": pid, "uid": uid, "gid": gid}
    host, port = connection.getpeername()[:2]
    return {"host": host, "port": port}
