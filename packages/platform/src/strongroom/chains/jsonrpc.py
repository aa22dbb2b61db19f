"""JSON-RPC over HTTP to a node: asynchronous, in batches, numbers exact.

What a node's kind needs besides (a cookie, an own word for its address in errors) is in its subclass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Final

import httpx
import msgspec

from strongroom.chains.errors import NodeDownError, NodeError, NodeRefusedError, NodeWarmingUpError

TIMEOUT_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 5.0
UNAVAILABLE: Final = 503  # the node's work queue is full
WARMING_UP: Final = -28  # bitcoin/src/rpc/protocol.h
_decoder = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class Call:
    """One method with its parameters, in order."""

    method: str
    params: tuple[object, ...] = ()


def call_of(method: str, *params: object) -> Call:
    """Make a call."""
    return Call(method, params)


class JsonRpc:
    """Calls one node, named ``name`` in errors. Safe for many tasks of one event loop; close it when done."""

    version: ClassVar[str] = "2.0"
    batch_max: ClassVar[int] = 100

    def __init__(self, url: str, name: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Name the node; nothing is opened yet. ``url`` may hold a secret: it is never shown, ``name`` is."""
        self._url = url
        self.name = name
        self._timeout = httpx.Timeout(timeout_seconds, connect=CONNECT_SECONDS)
        self._client: httpx.AsyncClient | None = None

    async def call(self, method: str, *params: object, timeout_seconds: float | None = None) -> Any:
        """Call one method and give its result; fractions come as ``Decimal``.

        Raises ``NodeRefusedError`` with the node's number, ``NodeDownError`` where none answers, ``NodeAuthError``.
        """
        return result_of(await self._post(self._body(0, Call(method, params)), timeout_seconds), method)

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Make many calls in few requests; a refused one gives its ``NodeRefusedError``."""
        results: list[Any] = []
        for start in range(0, len(calls), self.batch_max):
            results += await self._batch(calls[start : start + self.batch_max])
        return results

    async def _batch(self, calls: Sequence[Call]) -> list[Any]:
        answers = await self._post([self._body(place, call) for place, call in enumerate(calls)], None)
        if not isinstance(answers, list) or len(answers) != len(calls):
            message = f"the node at {self.name} answered a batch with something else"
            raise NodeError(message)
        by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
        return [result_or_refusal(by_id.get(place), call.method) for place, call in enumerate(calls)]

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _post(self, body: object, timeout_seconds: float | None) -> Any:
        return self._decode(await self._send(body, timeout_seconds))

    def _decode(self, response: httpx.Response) -> Any:
        try:
            return _decoder.decode(response.content)
        except msgspec.DecodeError:
            busy = "its work queue is full" if response.status_code == UNAVAILABLE else "that is no JSON-RPC"
            message = f"the node at {self.name} answered HTTP {response.status_code}: {busy}"
            raise NodeDownError(message) from None

    async def _send(self, body: object, timeout_seconds: float | None) -> httpx.Response:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._timeout, trust_env=False)
        headers = {"Content-Type": "application/json", **await self._headers()}
        timeout = self._timeout if timeout_seconds is None else httpx.Timeout(timeout_seconds, connect=CONNECT_SECONDS)
        try:
            return await self._client.post(
                self._url, content=msgspec.json.encode(body), headers=headers, timeout=timeout
            )
        except httpx.HTTPError as error:
            message = f"no answer from the node at {self.name}: {type(error).__name__}"
            raise NodeDownError(message) from None

    async def _headers(self) -> dict[str, str]:
        return {}

    def _body(self, place: int, call: Call) -> dict[str, object]:
        return {"jsonrpc": self.version, "id": place, "method": call.method, "params": call.params}


def result_of(answer: Any, method: str) -> Any:
    """Give the result of an answer, or raise its refusal."""
    result = result_or_refusal(answer, method)
    if isinstance(result, NodeRefusedError):
        raise result
    return result


def result_or_refusal(answer: Any, method: str) -> Any:
    """Give the result of an answer, or its refusal as a value. Raises ``NodeError`` for what is neither."""
    if not isinstance(answer, dict):
        message = f"{method}: the node answered with something else than JSON-RPC"
        raise NodeError(message)
    error = answer.get("error")
    if not error:
        return answer.get("result")
    if not isinstance(error, dict):
        message = f"{method}: the node answered with an error that is no JSON-RPC"
        raise NodeError(message)
    text = str(error.get("message", ""))
    if error.get("code") == WARMING_UP:
        message = f"the node is starting: {text}"
        raise NodeWarmingUpError(message)
    message = f"{method}: {text}"
    code = error.get("code", 0)
    return NodeRefusedError(message, code if isinstance(code, int) else 0, error.get("data"))
