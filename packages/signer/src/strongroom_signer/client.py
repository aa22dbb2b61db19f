"""One question to a running signer over its Unix socket, for the commands of this host."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any, Final

from strongroom_core.protocol import decode_message
from strongroom_core.wire import LENGTH_BYTES, frame, frame_length
from strongroom_signer.errors import SignerError

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_SECONDS: Final = 30.0


def ask(path: Path, request: dict[str, Any]) -> dict[str, object]:
    """Send one request and give the answer as plain JSON. Raises ``SignerError`` where nobody answers."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT_SECONDS)
            connection.connect(os.fspath(path))
            connection.sendall(frame(decode_message(json.dumps(request).encode())))
            with connection.makefile("rb") as answers:
                answer = decode_message(answers.read(frame_length(answers.read(LENGTH_BYTES))))
    except OSError as error:
        message = f"{path} does not answer: {error.strerror or error}"
        raise SignerError(message) from None
    return dict(json.loads(answer.encode()))
