"""A small blocking JSON-RPC client for a node on this machine, for set-up, commands and tests."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from strongroom.infra.components.errors import NodeRpcError
from strongroom.infra.components.rpc_post import post

RPC_TIMEOUT_SECONDS = 60.0  # scantxoutset and a rescan take seconds
RPC_IN_WARMUP = -28  # rpc/protocol.h: the node is up and still loads

JsonValue = Any  # what the node answers; every caller checks the shape it relies on


class BitcoinRpc:
    """A small blocking JSON-RPC client with cookie authentication.

    Amounts come as Decimal in whole coins, never as float. Not for use by several threads at once.
    """

    def __init__(self, port: int, cookie_file: Path, timeout_seconds: float = RPC_TIMEOUT_SECONDS) -> None:
        """Name the node; nothing is opened yet. The cookie is read at each call, since each start makes a new one."""
        self._port = port
        self._cookie_file = cookie_file
        self._timeout_seconds = timeout_seconds

    def call(self, method: str, *params: object, wallet: str | None = None) -> JsonValue:
        """Call one method and return its result.

        Raises NodeRpcError with the node's own number, NodeUnreachableError when nobody answers, TypeError for a float:
        amounts are Decimal.
        """
        _refuse_floats(method, params)
        body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": method, "params": params}, default=_json_number)
        path = f"/wallet/{wallet}" if wallet is not None else "/"
        answer = json.loads(post(self._port, path, body, self._timeout_seconds, self._cookie), parse_float=Decimal)
        if answer.get("error"):
            error = answer["error"]
            raise NodeRpcError(method, int(error.get("code", 0)), str(error.get("message", "")))
        return answer["result"]

    def _cookie(self) -> dict[str, str]:
        return {"Authorization": f"Basic {base64.b64encode(self._cookie_file.read_bytes()).decode('ascii')}"}


def _refuse_floats(method: str, value: object) -> None:
    if isinstance(value, float):
        message = f"{method}: a float may be inexact; send a Decimal"
        raise TypeError(message)
    if isinstance(value, dict):
        _refuse_floats(method, tuple(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(method, item)


def _json_number(value: object) -> str:
    """Send amounts as decimal text, which the node takes for numbers (AmountFromValue), and paths as text."""
    if isinstance(value, Decimal | Path):
        return str(value)
    message = f"{type(value).__name__} cannot be sent to the node"
    raise TypeError(message)
