"""JSON-RPC to a node: asynchronous, with its cookie, amounts exact.

The cookie is read when first needed and again when the node refuses it (each start of a node writes a new one). It goes
into the Authorization header only, never into a URL, a log or an error.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from strongroom.chains.errors import NodeAuthError, NodeDownError, NodeError, NodeRefusedError, NodeWarmingUpError

TIMEOUT_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 5.0
BATCH_MAX: Final = 500
UNAUTHORIZED: Final = 401
UNAVAILABLE: Final = 503  # the node's work queue is full
WARMING_UP: Final = -28  # bitcoin/src/rpc/protocol.h
_COIN_DIGITS: Final = 8
_decoder = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class Call:
    """One method with its parameters, in order."""

    method: str
    params: tuple[object, ...] = ()


def call_of(method: str, *params: object) -> Call:
    """Make a call."""
    return Call(method, params)


def base_units(coins: object) -> int:
    """Turn an amount in coins, as the node writes it, into base units. Raises ``NodeError`` unless exact."""
    if isinstance(coins, int | Decimal) and not isinstance(coins, bool):
        scaled = Decimal(coins).scaleb(_COIN_DIGITS)
        if scaled.is_finite() and scaled == int(scaled):
            return int(scaled)
    message = f"the node gave {coins!r} as an amount, which is no whole number of base units"
    raise NodeError(message)


class RpcClient:
    """Calls one node. Safe for many tasks of one event loop; close it when done."""

    def __init__(self, url: str, cookie_file: Path, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Name the node; nothing is read or opened yet."""
        self._url = url
        self._cookie_file = cookie_file
        self._timeout = httpx.Timeout(timeout_seconds, connect=CONNECT_SECONDS)
        self._client: httpx.AsyncClient | None = None
        self._authorization: str | None = None

    async def call(self, method: str, *params: object, timeout_seconds: float | None = None) -> Any:
        """Call one method and give its result; fractions come as ``Decimal``.

        Raises ``NodeRefusedError`` with the node's number, ``NodeDownError`` where none answers, ``NodeAuthError``.
        """
        answer = await self._post(_body(0, Call(method, params)), timeout_seconds)
        return _result(answer, method)

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Make many calls in few requests; a refused one gives its ``NodeRefusedError``."""
        results: list[Any] = []
        for start in range(0, len(calls), BATCH_MAX):
            results += await self._batch(calls[start : start + BATCH_MAX])
        return results

    async def _batch(self, calls: Sequence[Call]) -> list[Any]:
        answers = await self._post([_body(place, call) for place, call in enumerate(calls)], None)
        if not isinstance(answers, list) or len(answers) != len(calls):
            message = "the node answered a batch with something else"
            raise NodeError(message)
        by_id = {answer.get("id"): answer for answer in answers}
        return [_result_or_refusal(by_id.get(place), call.method) for place, call in enumerate(calls)]

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _post(self, body: object, timeout_seconds: float | None) -> Any:
        response = await self._send(body, timeout_seconds)
        if response.status_code == UNAUTHORIZED:
            self._authorization = None
            response = await self._send(body, timeout_seconds)
        if response.status_code == UNAUTHORIZED:
            message = f"the node at {self._url} refuses the cookie of {self._cookie_file}: is it this node's?"
            raise NodeAuthError(message)
        try:
            return _decoder.decode(response.content)
        except msgspec.DecodeError:
            busy = "its work queue is full" if response.status_code == UNAVAILABLE else "that is no JSON-RPC"
            message = f"the node at {self._url} answered HTTP {response.status_code}: {busy}"
            raise NodeDownError(message) from None

    async def _send(self, body: object, timeout_seconds: float | None) -> httpx.Response:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._timeout, trust_env=False)
        headers = {"Authorization": await self._credentials(), "Content-Type": "application/json"}
        timeout = self._timeout if timeout_seconds is None else httpx.Timeout(timeout_seconds, connect=CONNECT_SECONDS)
        try:
            return await self._client.post(
                self._url, content=msgspec.json.encode(body), headers=headers, timeout=timeout
            )
        except httpx.HTTPError as error:
            message = f"no answer from the node at {self._url}: {type(error).__name__}"
            raise NodeDownError(message) from None

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


def _body(place: int, call: Call) -> dict[str, object]:
    return {"jsonrpc": "1.0", "id": place, "method": call.method, "params": call.params}


def _result(answer: Any, method: str) -> Any:
    result = _result_or_refusal(answer, method)
    if isinstance(result, NodeRefusedError):
        raise result
    return result


def _result_or_refusal(answer: Any, method: str) -> Any:
    if not isinstance(answer, dict):
        message = f"{method}: the node answered with something else than JSON-RPC"
        raise NodeError(message)
    error = answer.get("error")
    if not error:
        return answer.get("result")
    text = str(error.get("message", ""))
    if error.get("code") == WARMING_UP:
        message = f"the node is starting: {text}"
        raise NodeWarmingUpError(message)
    message = f"{method}: {text}"
    return NodeRefusedError(message, int(error.get("code", 0)))
