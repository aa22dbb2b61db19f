"""A signer's own node of a bitcoin-like, over JSON-RPC; its answers are checked by others."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from strongroom_signer.errors import SignerError
from strongroom_signer.headers import HASH_BYTES, HEADER_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from strongroom_signer.links import NodeUrl

TIMEOUT_SECONDS: Final = 10.0
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
MAX_COOKIE_BYTES: Final = 1024
_CHUNK: Final = 1 << 16
_MIN_WAIT_SECONDS: Final = 0.001
_SHOWN: Final = 120

Call = tuple[str, tuple[object, ...]]


class NodeError(SignerError):
    """A node does not answer, or not what was asked; says which node and never how to get in."""

    code = "node-error"


class BitcoinNode:
    """One node. A question and its answer must be over within ``timeout_seconds``, however slowly they drip."""

    def __init__(self, link: NodeUrl, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Ask nothing yet."""
        self.name = link.name
        self._link = link
        self._timeout_seconds = timeout_seconds

    def call_many(self, calls: Sequence[Call]) -> list[Any]:
        """Ask in one batch; answers in the order of the questions. Raises ``NodeError``, also where one was refused."""
        body = [{"jsonrpc": "1.0", "id": at, "method": name, "params": rest} for at, (name, rest) in enumerate(calls)]
        try:
            answers = json.loads(self._post(json.dumps(body).encode()))
            found = {answer["id"]: answer for answer in answers}
            return [self._result(found[at]) for at in range(len(calls))]
        except (ValueError, KeyError, TypeError, RecursionError):
            message = f"{self.name} answered what is no answer of JSON-RPC"
            raise NodeError(message) from None

    def tip(self) -> tuple[bytes, bytes]:
        """Give the hashes of its first and its best block, 32 bytes as hashed. Raises ``NodeError``."""
        first, best = self.call_many([("getblockhash", (0,)), ("getbestblockhash", ())])
        return self._hash(first), self._hash(best)

    def height(self) -> int:
        """Give the height of its best block. Raises ``NodeError``."""
        (height,) = self.call_many([("getblockcount", ())])
        if type(height) is not int or height < 0:
            message = f"{self.name} gave a height that is none"
            raise NodeError(message)
        return height

    def hashes(self, heights: Sequence[int]) -> list[bytes]:
        """Give the hashes of its best chain at those heights. Raises ``NodeError``."""
        return [self._hash(item) for item in self.call_many([("getblockhash", (height,)) for height in heights])]

    def headers(self, blocks: Sequence[bytes]) -> list[bytes]:
        """Give the headers of 80 bytes of those blocks. Raises ``NodeError``."""
        answers = self.call_many([("getblockheader", (block[::-1].hex(), False)) for block in blocks])
        return [self._bytes(item, HEADER_BYTES) for item in answers]

    def _result(self, answer: dict[str, Any]) -> Any:
        if answer.get("error") is not None:
            code = answer["error"].get("code") if isinstance(answer["error"], dict) else None
            text = str(answer["error"].get("message")) if code is not None else "no reason given"
            message = f"{self.name} refused a question ({code}: {text[:_SHOWN]})"
            raise NodeError(message)
        return answer["result"]

    def _hash(self, value: object) -> bytes:
        return self._bytes(value, HASH_BYTES)[::-1]

    def _bytes(self, value: object, size: int) -> bytes:
        with contextlib.suppress(ValueError, TypeError):
            data = bytes.fromhex(value)  # type: ignore[arg-type] # what is no text raises TypeError
            if len(data) == size:
                return data
        message = f"{self.name} answered something else than {size} bytes in hex"
        raise NodeError(message)

    def _post(self, body: bytes) -> bytes:
        try:
            with self._connected() as connection:
                return self._answer(connection, body)
        except (OSError, http.client.HTTPException, ssl.SSLError) as error:
            message = f"{self.name} does not answer ({type(error).__name__})"
            raise NodeError(message) from None

    def _answer(self, connection: http.client.HTTPConnection, body: bytes) -> bytes:
        end_seconds = time.monotonic() + self._timeout_seconds
        headers = {"Authorization": self._authorization(), "Content-Type": "application/json"}
        parts = urlsplit(self._link.url)
        connection.request("POST", parts.path or "/", body, headers)
        # An answer that says "close" keeps the socket to itself: closing the connection alone would leak it.
        with connection.getresponse() as response:
            data = b"".join(_read(connection, response, end_seconds))
        if response.status in {401, 403}:
            message = f"{self.name} does not let us in (HTTP {response.status})"
            raise NodeError(message)
        if len(data) > MAX_ANSWER_BYTES:
            message = f"{self.name} answered more than {MAX_ANSWER_BYTES} bytes"
            raise NodeError(message)
        return data

    @contextlib.contextmanager
    def _connected(self) -> Iterator[http.client.HTTPConnection]:
        parts = urlsplit(self._link.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        with contextlib.closing(kind(str(parts.hostname), parts.port, timeout=self._timeout_seconds)) as connection:
            yield connection

    def _authorization(self) -> str:
        parts = urlsplit(self._link.url)
        if self._link.cookie_file is not None:
            # Read each time: a node writes another one at each of its starts.
            with self._link.cookie_file.open("rb") as file:
                secret = file.read(MAX_COOKIE_BYTES).strip()
        else:
            secret = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
        return "Basic " + base64.b64encode(secret).decode()


def _read(
    connection: http.client.HTTPConnection, response: http.client.HTTPResponse, end_seconds: float
) -> Iterator[bytes]:
    """Give the body in parts, one more than allowed at most, and nothing after ``end_seconds`` (monotonic)."""
    size = 0
    while size <= MAX_ANSWER_BYTES:
        if connection.sock is not None:
            connection.sock.settimeout(max(end_seconds - time.monotonic(), _MIN_WAIT_SECONDS))
        part = response.read1(_CHUNK)
        if not part:
            return
        size += len(part)
        yield part
        if time.monotonic() > end_seconds:
            raise TimeoutError
