"""One JSON-RPC request over HTTP to a node on this machine."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

from strongroom.infra.components.errors import NodeUnreachableError
from strongroom.infra.components.hosting import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def post(
    port: int, path: str, body: str, timeout_seconds: float, authorization: Callable[[], Mapping[str, str]] = dict
) -> bytes:
    """Post a JSON body and return the JSON object of the answer, as bytes.

    `authorization` gives further headers. Raises NodeUnreachableError where nobody answers, where what answers is no
    JSON object (with the HTTP status), or where the headers' file cannot be read.
    """
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout_seconds)
    try:
        headers = {"Content-Type": "application/json", **authorization()}
        connection.request("POST", path, body, headers)
        with connection.getresponse() as response:
            data = response.read()
    except (OSError, http.client.HTTPException) as error:
        message = f"no answer on {LOOPBACK}:{port}: {error}"
        raise NodeUnreachableError(message) from error
    finally:
        connection.close()
    if not data.startswith(b"{"):
        message = f"{LOOPBACK}:{port} answered HTTP {response.status}: {data[:200]!r}"
        raise NodeUnreachableError(message)
    return data
