"""JSON-RPC to a bitcoin-like's node: with its cookie, amounts exact.

The cookie is read when first needed and again when the node refuses it (each start of a node writes a new one). It goes
into the Authorization header only, never into a URL, a log or an error.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Final

from strongroom.chains.errors import NodeAuthError, NodeDownError, NodeError
from strongroom.chains.jsonrpc import TIMEOUT_SECONDS, JsonRpc

UNAUTHORIZED: Final = 401
_COIN_DIGITS: Final = 8


def base_units(coins: object) -> int:
    """Turn an amount in coins, as the node writes it, into base units. Raises ``NodeError`` unless exact."""
    if isinstance(coins, int | Decimal) and not isinstance(coins, bool):
        scaled = Decimal(coins).scaleb(_COIN_DIGITS)
        if scaled.is_finite() and scaled == int(scaled):
            return int(scaled)
    message = f"the node gave {coins!r} as an amount, which is no whole number of base units"
    raise NodeError(message)


class RpcClient(JsonRpc):
    """Calls one node, which wants its cookie."""

    version: ClassVar[str] = "1.0"
    batch_max: ClassVar[int] = 500

    def __init__(self, url: str, cookie_file: Path, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Name the node; nothing is read or opened yet."""
        super().__init__(url, url, timeout_seconds)
        self._cookie_file = cookie_file
        self._authorization: str | None = None

    async def _post(self, body: object, timeout_seconds: float | None) -> Any:
        response = await self._send(body, timeout_seconds)
        if response.status_code == UNAUTHORIZED:
            self._authorization = None
            response = await self._send(body, timeout_seconds)
        if response.status_code == UNAUTHORIZED:
            message = f"the node at {self.name} refuses the cookie of {self._cookie_file}: is it this node's?"
            raise NodeAuthError(message)
        return self._decode(response)

    async def _headers(self) -> dict[str, str]:
        return {"Authorization": await self._credentials()}

    async def _credentials(self) -> str:
        if self._authorization is None:
            try:
                cookie = await asyncio.to_thread(self._cookie_file.read_bytes)
            except FileNotFoundError:
                message = f"no cookie at {self._cookie_file}: the node is not running"
                raise NodeDownError(message) from None
            except OSError as error:
                message = f"cannot read the node's cookie {self._cookie_file}: {error.strerror}"
                raise NodeAuthError(message) from None
            self._authorization = "Basic " + b64encode(cookie.strip()).decode("ascii")
        return self._authorization
