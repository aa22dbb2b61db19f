"""One RPC endpoint of an EVM chain: what it answers, and what is the matter with it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from strongroom.chains.errors import NodeError, NodeRefusedError, WrongNetworkError
from strongroom.chains.ethereum.parameters import chain_number
from strongroom.chains.ethereum.ranges import AdaptiveRange
from strongroom.chains.ethereum.reading import quantity
from strongroom.chains.jsonrpc import Call, JsonRpc

_log = structlog.get_logger(__name__)
REQUEST_SECONDS: Final = 20.0
REST_SECONDS: Final = 5.0  # one that failed is not waited for meanwhile


class Trouble(StrEnum):
    """What may be the matter with an endpoint; each passes by itself when the same question goes well again."""

    FAILS = "fails"
    LAGS = "lags"
    OTHER_BLOCK = "other block"
    OTHER_CONTENT = "other content"
    OTHER_STATE = "other state"


class TraceKind(StrEnum):
    """How an endpoint tells of calls inside of calls."""

    TRACE = "trace"  # trace_block
    DEBUG = "debug"  # debug_traceBlockByHash with callTracer
    NONE = "none"


class Endpoint(JsonRpc):
    """One endpoint. In errors and logs it goes by its number and host alone: a path or a user may be a key."""

    def __init__(self, number: int, url: str, chain_id: str) -> None:
        """Name it; nothing is opened yet."""
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        super().__init__(url, f"endpoint {number} ({parts.hostname}{port})", REQUEST_SECONDS)
        self.chain_id = chain_id
        self._troubles: dict[Trouble, str] = {}
        self.knows_hashes = True  # whether state can be asked for by a block's hash (EIP-1898); see states.py
        self.logs_range = AdaptiveRange()
        self.traces: TraceKind | None = None  # None: it has not said yet
        self.traces_asked_next = 0.0
        self.rests_until = 0.0
        self._network_checked = False

    @property
    def resting(self) -> bool:
        """Whether it failed a moment ago."""
        return time.monotonic() < self.rests_until

    async def check_network(self) -> None:
        """Raise ``WrongNetworkError`` unless it serves the chain; asked again after any failure."""
        if not self._network_checked:
            self.check_serves(await self.call("eth_chainId"))

    def check_serves(self, answer: Any) -> None:
        """Raise ``WrongNetworkError`` unless an answer to `eth_chainId` is the chain's number."""
        number = quantity(answer)
        if number != chain_number(self.chain_id):
            message = f"{self.name} serves eip155:{number}, not {self.chain_id}: correct rpc_urls or id"
            raise WrongNetworkError(message)
        self._network_checked = True

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """Make calls in batches; any refusal is raised."""
        answers = await self.batch(calls)
        for answer in answers:
            if isinstance(answer, NodeRefusedError):
                raise answer
        return answers

    def failed(self, error: NodeError) -> None:
        """Note that it could not answer."""
        self._network_checked = False
        self.rests_until = time.monotonic() + REST_SECONDS
        self.blame(Trouble.FAILS, error.message)

    def blame(self, kind: Trouble, what: str) -> None:
        """Raise an alarm, once for each trouble."""
        if kind not in self._troubles:
            _log.warning("an endpoint is not to be relied on", chain=self.chain_id, endpoint=self.name, trouble=what)
        self._troubles[kind] = what if self.name in what else f"{self.name}: {what}"

    def clear(self, kind: Trouble) -> None:
        """Note that a trouble has passed."""
        if self._troubles.pop(kind, None) is not None:
            _log.info("a trouble with an endpoint has passed", chain=self.chain_id, endpoint=self.name, trouble=kind)

    @property
    def trouble(self) -> str:
        """What is the matter with it, for people; empty where all is well."""
        return ", ".join(self._troubles.values())
