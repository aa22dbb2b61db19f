"""A small blocking JSON-RPC client for an Ethereum node on this machine, for set-up, commands and tests."""

from __future__ import annotations

import json
from typing import Any

from strongroom.infra.components.errors import NodeRpcError
from strongroom.infra.components.rpc_post import post

RPC_TIMEOUT_SECONDS = 60.0  # a trace of a large block takes seconds

JsonValue = Any  # what the node answers; every caller checks the shape it relies on


class EthereumRpc:
    """A small blocking JSON-RPC client. Quantities are hexadecimal text both ways (Ethereum JSON-RPC), never floats.

    Not for use by several threads at once.
    """

    def __init__(self, port: int, timeout_seconds: float = RPC_TIMEOUT_SECONDS) -> None:
        """Name the node; nothing is opened yet."""
        self._port = port
        self._timeout_seconds = timeout_seconds

    def call(self, method: str, *params: object) -> JsonValue:
        """Call one method and return its result.

        Raises NodeRpcError with the node's own number (and what a reverted call returned, in its text) and
        NodeUnreachableError when nobody answers.
        """
        body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": method, "params": params})
        answer = json.loads(post(self._port, "/", body, self._timeout_seconds))
        if answer.get("error"):
            error = answer["error"]
            said = f"{error.get('message', '')} {error.get('data') or ''}".strip()
            raise NodeRpcError(method, int(error.get("code", 0)), said)
        return answer.get("result")
