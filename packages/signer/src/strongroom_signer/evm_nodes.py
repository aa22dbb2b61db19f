"""A node of an EVM chain, asked by JSON-RPC over HTTP: the finalized block, and a block by its number.

Nothing that one node says is believed; ``evm_view`` compares several. So an answer is only read strictly here, in
limited time and size. Sources: Ethereum's execution JSON-RPC, JSON-RPC 2.0.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from strongroom_signer.errors import SignerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_signer.links import NodeUrl

TIMEOUT_SECONDS: Final = 5.0
# A block with the hashes of all its chain txs: some 70 bytes each, and no block has 50,000.
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
FINALIZED: Final = "finalized"
HTTP_OK: Final = 200
_WITHOUT_TXS: Final = False
_NUMBER: Final = re.compile("0x(0|[1-9a-f][0-9a-f]{0,15})", re.ASCII)
_HASH: Final = re.compile("0x[0-9a-f]{64}", re.ASCII)


class NodeError(SignerError):
    """A node that does not answer, or not as a node of this chain does. The message holds no URL and no password."""

    code = "node-failed"


@dataclass(frozen=True, slots=True)
class Block:
    """What a node says of a block: number, hash (32 bytes), time in unix seconds."""

    number: int
    hash: bytes
    timestamp: int


class EvmNode:
    """One node; ``chain_number`` is the chain id of EIP-155 that it has to be of. Usable from several threads."""

    def __init__(self, link: NodeUrl, chain_number: int, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Connect to nothing yet. A call takes at most ``timeout_seconds``."""
        self.name = link.name
        self._link = link
        self._chain_number = chain_number
        self._timeout_seconds = timeout_seconds
        self._of_this_chain = False

    def finalized(self) -> Block:
        """Give the newest block that the node holds for final. Raises ``NodeError``."""
        self._check_chain()
        found = self._block(FINALIZED)
        if found is None:
            message = "it knows no finalized block"
            raise NodeError(message)
        return found

    def block(self, number: int) -> Block | None:
        """Give the block of a number on the node's chain, None where it has none. Raises ``NodeError``."""
        self._check_chain()
        found = self._block(hex(number))
        if found is not None and found.number != number:
            message = f"asked for block {number} it gives block {found.number}"
            raise NodeError(message)
        return found

    def _check_chain(self) -> None:
        if self._of_this_chain:
            return
        number = _read_number(self._call("eth_chainId"))
        if number != self._chain_number:
            message = f"it is a node of chain {number}, not of {self._chain_number}"
            raise NodeError(message)
        self._of_this_chain = True

    def _block(self, which: str) -> Block | None:
        found = self._call("eth_getBlockByNumber", which, _WITHOUT_TXS)
        if found is None:
            return None
        if not isinstance(found, dict):
            message = "a block is an object"
            raise NodeError(message)
        number, timestamp = (_read_number(found.get(name)) for name in ("number", "timestamp"))
        return Block(number, _read_hash(found.get("hash")), timestamp)

    def _call(self, method: str, *params: object) -> object:
        try:
            answer = self._post(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode())
        except (OSError, HTTPException, ValueError) as error:
            self._of_this_chain = False  # who answers next may be another
            message = f"it does not answer ({type(error).__name__})"
            raise NodeError(message) from None
        try:
            body = json.loads(answer)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict) or "result" not in body or body.get("error") is not None:
            message = f"it answers {method} with an error"
            raise NodeError(message)
        return body["result"]

    def _post(self, body: bytes) -> bytes:
        parts = urlsplit(self._link.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._timeout_seconds)
        try:
            connection.connect()
            with _ended_after(connection.sock, self._timeout_seconds):
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("POST", target, body, self._headers(parts.username, parts.password))
                # An answer that says "close" keeps the socket to itself: closing the connection alone would leak it.
                with connection.getresponse() as response:
                    answer = response.read(MAX_ANSWER_BYTES + 1)
        finally:
            connection.close()
        if response.status != HTTP_OK or len(answer) > MAX_ANSWER_BYTES:
            message = f"status {response.status}, {len(answer)} bytes"
            raise HTTPException(message)
        return answer

    def _headers(self, user: str | None, password: str | None) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        given = f"{unquote(user or '')}:{unquote(password or '')}" if user or password else ""
        if self._link.cookie_file is not None:
            given = self._link.cookie_file.read_text(encoding="ascii").strip()
        if given:
            headers["Authorization"] = "Basic " + base64.b64encode(given.encode()).decode()
        return headers


@contextmanager
def _ended_after(connected: socket.socket, limit_seconds: float) -> Iterator[None]:
    """Cut the connection off after so long: a socket's own timeout starts anew with every byte that drips in."""

    def end() -> None:
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(limit_seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _read_number(value: Any) -> int:
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        message = "a number is 0x and hex digits, without leading zeros"
        raise NodeError(message)
    return int(value, 16)


def _read_hash(value: Any) -> bytes:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        message = "a hash is 0x and 64 hex digits"
        raise NodeError(message)
    return bytes.fromhex(value[2:])
