"""One question at a time to another party of the deployment, over one connection that is kept while it works."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING, Final

from strongroom_core.protocol import decode_message
from strongroom_core.wire import LENGTH_BYTES, InvalidMessageError, frame, frame_length

if TYPE_CHECKING:
    from strongroom_core.wire import Message
    from strongroom_signer.links import Endpoint

_CHUNK: Final = 1 << 16


class Line:
    """A connection to an endpoint, made when it is needed. Not for two threads at once: its owner has the lock."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Connect to nothing yet; the certificates are read at every connect, so that they can be replaced."""
        self._endpoint = endpoint
        self._connection: socket.socket | None = None

    @property
    def name(self) -> str:
        """What the endpoint is called."""
        return self._endpoint.name

    def ask(self, message: Message, deadline_seconds: float) -> Message:
        """Send one request and give its answer by ``deadline_seconds`` (``time.monotonic``). Raises ``OSError``.

        A connection that was kept may have died since: then the question, which may be asked twice, is asked anew.
        """
        kept = self._connection is not None
        try:
            return self._ask(message, deadline_seconds)
        except TimeoutError:
            raise
        except (OSError, InvalidMessageError):
            if not kept:
                raise
        return self._ask(message, deadline_seconds)

    def _ask(self, message: Message, deadline_seconds: float) -> Message:
        try:
            connection = self._connection = self._connection or self._connect(deadline_seconds)
            connection.settimeout(_left(deadline_seconds))
            connection.sendall(frame(message))
            return decode_message(
                self._receive(frame_length(self._receive(LENGTH_BYTES, deadline_seconds)), deadline_seconds)
            )
        except BaseException:
            # Whatever came after a failure could be the answer to the question before.
            self.close()
            raise

    def _connect(self, deadline_seconds: float) -> socket.socket:
        end = self._endpoint
        if end.socket is not None:
            return _connect_unix(os.fspath(end.socket), deadline_seconds)
        if end.address is None or end.tls is None:
            message = "an endpoint has a socket, or an address under TLS"
            raise OSError(message)
        context = end.tls.client_context()
        plain = socket.create_connection(end.address, timeout=_left(deadline_seconds))
        try:
            # A frame is written at once, and the answer is waited for: nothing is gained by holding bytes back.
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return context.wrap_socket(plain, server_hostname=end.address[0])
        except BaseException:
            plain.close()
            raise

    def _receive(self, size: int, deadline_seconds: float) -> bytes:
        parts: list[bytes] = []
        connection = self._connection
        while size and connection is not None:
            connection.settimeout(_left(deadline_seconds))
            part = connection.recv(min(size, _CHUNK))
            if not part:
                message = "the connection was closed"
                raise ConnectionError(message)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        """End the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()


def _connect_unix(path: str, deadline_seconds: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_left(deadline_seconds))
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection


def _left(deadline_seconds: float) -> float:
    left = deadline_seconds - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
