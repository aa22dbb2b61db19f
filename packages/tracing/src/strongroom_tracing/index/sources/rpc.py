"""JSON-RPC to a node of the bitcoin kind, many calls in one request.

Credentials are in a file (the node's cookie, or ``user:password``), read when first needed and again when the node
refuses them (each start of a node writes a new cookie). They go into the Authorization header only, never into a URL, a
log or an error.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx

from strongroom_tracing.index.errors import SourceError

TIMEOUT_SECONDS: Final = 120.0  # a node that is verifying may let us wait
NO_SUCH_HEIGHT: Final = -8  # RPC_INVALID_PARAMETER


class RpcRefusal(SourceError):  # noqa: N818 -- the node's answer to one call, which the caller may expect
    """The node answered a call with an error; ``number`` is the one of its protocol."""

    def __init__(self, message: str, number: int) -> None:
        """Keep what the node said."""
        super().__init__(message)
        self.number = number


class Rpc:
    """Calls one node."""

    def __init__(self, url: str, credentials: Path) -> None:
        """Name the node and the file of its credentials; nothing is read or opened yet. Raises ``SourceError``."""
        parsed = httpx.URL(url)
        if parsed.userinfo:
            message = "leave user and password out of the URL: put user:password into a file and name that"
            raise SourceError(message)
        self._url = url
        self._credentials = credentials
        self._authorization: str | None = None
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def call(self, method: str, *parameters: object) -> Any:
        """Make one call. Raises ``RpcRefusal`` if the node refuses it, ``SourceError`` if it cannot be asked."""
        return self.calls(method, [parameters])[0]

    def calls(self, method: str, parameters: Sequence[Sequence[object]]) -> list[Any]:
        """Make the same call with many parameters in one request; the results in their order.

        Raises ``SourceError``.
        """
        body = [
            {"jsonrpc": "1.0", "id": number, "method": method, "params": list(values)}
            for number, values in enumerate(parameters)
        ]
        answers = sorted(self._post(body), key=lambda answer: int(answer["id"]))
        for answer in answers:
            error = answer.get("error")
            if error is not None:
                message = f"the node at {self._url} refused {method}: {error.get('message')}"
                raise RpcRefusal(message, int(error.get("code", 0)))
        if len(answers) != len(body):
            message = f"the node at {self._url} answered {len(answers)} of {len(body)} calls"
            raise SourceError(message)
        return [answer["result"] for answer in answers]

    def _post(self, body: object) -> list[dict[str, Any]]:
        response = self._send(body)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            self._authorization = None
            response = self._send(body)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            message = f"the node at {self._url} refuses the credentials in {self._credentials}: are they this node's?"
            raise SourceError(message)
        try:
            answers = json.loads(response.content, parse_float=Decimal)
        except ValueError:
            answers = None
        if not isinstance(answers, list):
            message = f"the node at {self._url} answered with HTTP {response.status_code} instead of results"
            raise SourceError(message)
        return answers

    def _send(self, body: object) -> httpx.Response:
        if self._authorization is None:
            try:
                kept = self._credentials.read_bytes().strip()
            except OSError as error:
                message = f"the credentials {self._credentials} cannot be read ({error.strerror}); is the node running?"
                raise SourceError(message) from None
            self._authorization = "Basic " + b64encode(kept).decode("ascii")
        try:
            return self._http.post(
                self._url,
                content=json.dumps(body),
                headers={"Authorization": self._authorization, "Content-Type": "application/json"},
            )
        except httpx.HTTPError as error:
            message = f"the node at {self._url} cannot be reached: {type(error).__name__}"
            raise SourceError(message) from None
