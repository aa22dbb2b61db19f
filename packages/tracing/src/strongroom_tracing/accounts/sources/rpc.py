"""Transfers from an EVM node by JSON-RPC: blocks, receipts, and traces where the node offers them.

Source: the execution API of Ethereum (ethereum/execution-apis), ``debug_traceBlockByHash`` with ``callTracer`` (geth)
and ``trace_block`` (OpenEthereum and others). Every answer is tied to the block's hash, so that a reorg between two
questions is noticed and not mixed into an index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from itertools import count
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx

from strongroom_tracing.accounts.errors import NodeRefusesError, ReorgedError, SourceError
from strongroom_tracing.accounts.model import Block, BlockTransfers
from strongroom_tracing.accounts.sources.calls import from_calls, from_parity, from_tree
from strongroom_tracing.accounts.sources.decoding import GWEI, ChainTx, InnerByTx, Issue, Log, block_transfers
from strongroom_tracing.accounts.sources.reading import (
    address,
    address_or_none,
    data,
    digest,
    number,
    optional,
    take,
)

TIMEOUT_SECONDS: Final = 60.0
CONNECTIONS: Final = 4  # blocks that are asked for at once: a node far away answers late, not slowly
AHEAD_BLOCKS: Final = 32
_TRACER: Final = {"tracer": "callTracer"}


class Traces(StrEnum):
    """How a node tells of calls inside of calls."""

    DEBUG = "debug"
    TRACE = "trace"
    NONE = "none"


class RpcSource:
    """One node. ``traces`` None: look which kind it offers.

    In errors it goes by its host alone: a path may be a key.
    """

    def __init__(self, url: str, *, traces: Traces | None = None, first: int = 0) -> None:
        """Ask the node what it is. Raises ``SourceError``."""
        self._name = _host_of(url)
        self._url = url
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS)
        self._ids = count(1)
        self.first = first
        self.chain = f"eip155:{number(self.call('eth_chainId'))}"
        self.traces = self._offered() if traces is None else traces

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    @property
    def traced(self) -> bool:
        """Whether coin inside of contract calls is told of."""
        return self.traces != Traces.NONE

    def call(self, method: str, *params: object) -> Any:
        """Call a method. Raises ``NodeRefusesError`` with its reason, ``SourceError`` where no answer comes."""
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}
        try:
            answer = self._http.post(self._url, json=body).json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            message = f"the node at {self._name} does not answer {method}: {type(error).__name__}"
            raise SourceError(message) from None
        if not isinstance(answer, dict) or answer.get("error") is not None or "result" not in answer:
            reason = answer.get("error") if isinstance(answer, dict) else answer
            message = f"the node at {self._name} refuses {method}: {reason!r:.200}"
            raise NodeRefusesError(message)
        return answer["result"]

    def tip(self) -> tuple[int, bytes]:
        """Give the newest block."""
        head = self.call("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 - positional in the API
        return number(take(head, "number")), digest(take(head, "hash"))

    def hash_at(self, height: int) -> bytes | None:
        """Give the hash of a block; None where the node has none there."""
        head = self.call("eth_getBlockByNumber", hex(height), False)  # noqa: FBT003 - positional in the API
        return None if head is None else digest(take(head, "hash"))

    def blocks(self, first: int, last: int) -> Iterator[BlockTransfers]:
        """Read blocks in order. Raises ``ReorgedError`` where one goes away meanwhile."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for start in range(first, last + 1, AHEAD_BLOCKS):
                yield from pool.map(self._block, range(start, min(last + 1, start + AHEAD_BLOCKS)))

    def balance(self, holder: str, height: int) -> int:
        """Give an address's coin in wei as of a block: the opening balance of an index that begins with the next."""
        return number(self.call("eth_getBalance", holder, hex(height)))

    def _block(self, height: int) -> BlockTransfers:
        answer = self.call("eth_getBlockByNumber", hex(height), True)  # noqa: FBT003 - positional in the API
        if answer is None:
            message = f"block {height} is gone"
            raise ReorgedError(message)
        head = Block(
            number(take(answer, "number")), digest(take(answer, "hash")), digest(take(answer, "parentHash")),
            number(take(answer, "timestamp")),
        )  # fmt: skip
        txs: Sequence[Any] = take(answer, "transactions")
        receipts = self._receipts(head, [take(tx, "hash") for tx in txs])
        base = optional(answer.get("baseFeePerGas"))
        made = [_chain_tx(tx, receipt, base) for tx, receipt in zip(txs, receipts, strict=True)]
        logs = [_log(log) for receipt in receipts for log in take(receipt, "logs")]
        inner, rewards = self._inner(head, [tx.txid for tx in made])
        issues = [
            Issue(address(one["address"]), number(one["amount"]) * GWEI) for one in answer.get("withdrawals") or ()
        ]
        return block_transfers(head, address(take(answer, "miner")), made, logs, inner, issues + rewards)

    def _receipts(self, head: Block, txids: Sequence[str]) -> list[Any]:
        if not txids:
            return []
        try:
            found = list(self.call("eth_getBlockReceipts", "0x" + head.block_hash.hex()) or ())
        except NodeRefusesError:
            try:
                found = list(self.call("eth_getBlockReceipts", hex(head.height)) or ())
            except NodeRefusesError:  # an older node: one by one
                found = [self.call("eth_getTransactionReceipt", txid) for txid in txids]
        said = [(take(one, "transactionHash"), digest(take(one, "blockHash"))) for one in found if one is not None]
        if said != [(txid, head.block_hash) for txid in txids]:
            message = f"the receipts of block {head.height} are not those of its chain txs"
            raise ReorgedError(message)
        return found

    def _offered(self) -> Traces:
        """Ask for the newest block's traces; geth's form first, since it names a block by its hash."""
        head = self.call("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 - positional in the API
        for kind, method, params in (
            (Traces.DEBUG, "debug_traceBlockByHash", [take(head, "hash"), _TRACER]),
            (Traces.TRACE, "trace_block", [take(head, "number")]),
        ):
            try:
                self.call(method, *params)
            except NodeRefusesError:
                continue
            return kind
        return Traces.NONE

    def _inner(self, head: Block, txids: Sequence[bytes]) -> tuple[InnerByTx, list[Issue]]:
        if self.traces == Traces.DEBUG and txids:
            return self._from_trees(head, txids), []
        if self.traces == Traces.TRACE:
            return self._from_list(head, txids)
        return {}, []

    def _from_trees(self, head: Block, txids: Sequence[bytes]) -> InnerByTx:
        answers = self.call("debug_traceBlockByHash", "0x" + head.block_hash.hex(), _TRACER)
        trees = [one.get("result") if isinstance(one, dict) else None for one in answers or ()]
        if len(trees) != len(txids) or not all(isinstance(tree, dict) for tree in trees):
            message = f"the node did not trace all chain txs of block {head.height}"
            raise SourceError(message)
        named = [one.get("txHash") for one in answers]
        if any(name is not None and digest(name) != txid for name, txid in zip(named, txids, strict=True)):
            message = f"the node traced other chain txs than those of block {head.height}"
            raise ReorgedError(message)
        return {txid: from_tree(tree) for tree, txid in zip(trees, txids, strict=True)}

    def _from_list(self, head: Block, txids: Sequence[bytes]) -> tuple[InnerByTx, list[Issue]]:
        calls: dict[bytes, list[Any]] = {txid: [] for txid in txids}
        rewards: list[Issue] = []
        for one in self.call("trace_block", hex(head.height)) or ():
            if digest(take(one, "blockHash")) != head.block_hash:
                message = f"the node traced another block {head.height}"
                raise ReorgedError(message)
            if one.get("type") == "reward":
                rewards.append(_reward(take(one, "action")))
                continue
            calls.setdefault(digest(take(one, "transactionHash")), []).append(one)
        if set(calls) != set(txids) or not all(calls.values()):
            message = f"the node did not trace all chain txs of block {head.height}"
            raise SourceError(message)
        return {txid: from_calls(map(from_parity, found)) for txid, found in calls.items()}, rewards


def _host_of(url: str) -> str:
    """Give what a node goes by: its host and port. Raises ``SourceError``, which does not repeat the URL."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    except ValueError:
        message = "the URL of the node is none; write it as http://127.0.0.1:8545"
        raise SourceError(message) from None


def _reward(action: Any) -> Issue:
    return Issue(address(take(action, "author")), number(take(action, "value")))


def _chain_tx(tx: Any, receipt: Any, base: int) -> ChainTx:
    used, price = number(take(receipt, "gasUsed")), optional(receipt.get("effectiveGasPrice", tx.get("gasPrice")))
    blobs = optional(receipt.get("blobGasUsed")) * optional(receipt.get("blobGasPrice"))
    status = receipt.get("status")
    return ChainTx(
        txid=digest(take(tx, "hash")),
        index=number(take(tx, "transactionIndex")),
        sender=address(take(tx, "from")),
        recipient=address_or_none(tx.get("to")) or address_or_none(receipt.get("contractAddress")),
        value=optional(tx.get("value")),
        success=status is None or number(status) == 1,
        fee=used * price + blobs + optional(receipt.get("l1Fee")),
        tip=used * max(0, price - base),
    )


def _log(log: Any) -> Log:
    return Log(
        digest(take(log, "transactionHash")), number(take(log, "transactionIndex")), number(take(log, "logIndex")),
        address(take(log, "address")), tuple(data(one) for one in take(log, "topics")), data(take(log, "data")),
    )  # fmt: skip
