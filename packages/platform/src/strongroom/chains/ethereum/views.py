"""Reading views of blocks from one endpoint, in few requests.

Near the tip logs are asked for by the block's hash, so that they are that block's for certain, even when there are
none. Further down they come in ranges, as wide as the endpoint lets them be: halved when it refuses, doubled when it
does not; every log names a block that was read, and the last block is looked at again afterwards, so that the range was
one chain all the time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from strongroom.chains.errors import NodeDownError, NodeRefusedError
from strongroom.chains.ethereum import decoding, traces
from strongroom.chains.ethereum.endpoint import Endpoint, TraceKind
from strongroom.chains.ethereum.keccak import keccak
from strongroom.chains.ethereum.model import Block, Receipt
from strongroom.chains.ethereum.reading import AnswerError, block_of, hash_of, log_of, receipt_of
from strongroom.chains.ethereum.states import read_words, read_words_before, safe_nonce, token_balance
from strongroom.chains.ethereum.view import BlockView, Lens, Pieces, arrivals, assemble, executions
from strongroom.chains.ethereum.watched import Watched
from strongroom.chains.jsonrpc import call_of

FULL_BLOCKS_MAX: Final = 20  # in one request: a full block may be a megabyte
TRACE_SECONDS: Final = 20.0
TRACES_AGAIN_SECONDS: Final = 30.0
_NO_SUCH_METHOD: Final = (-32601, -32004)  # JSON-RPC: unknown; EIP-1474: not supported
_CALL_TRACER: Final = {"tracer": "callTracer"}
Raw = dict[str, Any]


async def read_views(
    endpoint: Endpoint, lens: Lens, heights: range, *, ranged: bool, range_max: int, traced: bool
) -> list[BlockView]:
    """Read the views of blocks, as many in a row as the endpoint has.

    ``ranged``: ask for logs in ranges of at most ``range_max``; else by hash. ``traced``: look inside of calls for
    coin. Raises ``NodeError`` or a kind of it.
    """
    raws = await _blocks(endpoint, heights, full=lens.coin is not None)
    if not raws:
        return []
    blocks = [block_of(raw) for raw in raws]
    if ranged:
        logs = await _logs_in_ranges(endpoint, lens, blocks, range_max)
    else:
        logs = await _logs_by_hash(endpoint, lens, blocks)
    found = [Found(block, raw, logs.get(block.block_hash, [])) for block, raw in zip(blocks, raws, strict=True)]
    if traced:
        for one in found:
            one.pieces.inner = await _inner(endpoint, one.pieces.block, one.raw, lens.scripts)
    for one in found:
        one.choose(lens)
    await _fill(endpoint, [one for one in found if one.txids], lens)
    return [assemble(one.pieces, lens, keccak) for one in found]


class Found:
    """One block on its way to a view."""

    def __init__(self, block: Block, raw: Raw, logs: Sequence[Raw]) -> None:
        """Start with the block as the endpoint gave it and its logs."""
        self.raw = raw
        self.logs = logs
        self.pieces = Pieces(block)
        self.txids: list[str] = []

    def choose(self, lens: Lens) -> None:
        """Choose the chain txs that may concern us, in the order of the block or of its logs."""
        chosen = {
            hash_of(log["transactionHash"]): log for log in decoding.may_concern(self.logs, lens.scripts, lens.safes)
        }
        txids = dict.fromkeys(chosen)
        txids.update(dict.fromkeys(inner.txid for inner in self.pieces.inner))
        if lens.coin is not None:
            for chain_tx in self.raw["transactions"]:
                to = chain_tx.get("to")
                if to is not None and chain_tx["value"] != "0x0" and bytes.fromhex(to[2:]) in lens.scripts:
                    txids[hash_of(chain_tx["hash"])] = None
        self.txids = list(txids)

    def note_sent(self, keys: set[tuple[bytes, bytes]]) -> None:
        """Add up what logs say that went out of the addresses whose balances are compared."""
        if not keys:
            return
        for log in self.logs:
            transfer = decoding.payment_of(log_of(log))
            key = (transfer.token, transfer.sender) if transfer else None
            if transfer is not None and key in keys:
                self.pieces.sent[key] = self.pieces.sent.get(key, 0) + transfer.value


async def _blocks(endpoint: Endpoint, heights: range, *, full: bool) -> list[Raw]:
    raws: list[Raw] = []
    for start in range(heights.start, heights.stop, FULL_BLOCKS_MAX):
        part = range(start, min(start + FULL_BLOCKS_MAX, heights.stop))
        answers = await endpoint.ask([call_of("eth_getBlockByNumber", hex(height), full) for height in part])
        raws += answers[: answers.index(None)] if None in answers else answers
        if None in answers:
            break
    for above, below in zip(raws[1:], raws, strict=False):
        if hash_of(above["parentHash"]) != hash_of(below["hash"]):
            message = "the blocks changed while they were read"
            raise AnswerError(message)
    return raws


def _filter(lens: Lens, **where: str) -> Raw:
    topics = [decoding.TRANSFER_TOPIC, decoding.SUCCESS_TOPIC, decoding.FAILURE_TOPIC]
    return {**where, "address": lens.addresses, "topics": [["0x" + topic.hex() for topic in topics]]}


async def _logs_by_hash(endpoint: Endpoint, lens: Lens, blocks: Sequence[Block]) -> dict[str, list[Raw]]:
    if not lens.addresses:
        return {}
    calls = [call_of("eth_getLogs", _filter(lens, blockHash=block.block_hash)) for block in blocks]
    answers = await endpoint.ask(calls)
    return _by_block([log for answer in answers for log in answer], blocks)


async def _logs_in_ranges(
    endpoint: Endpoint, lens: Lens, blocks: Sequence[Block], range_max: int
) -> dict[str, list[Raw]]:
    first, last = blocks[0].height, blocks[-1].height
    logs: list[Raw] = []
    while lens.addresses and first <= last:
        end = min(last, first + endpoint.logs_range.width - 1)
        where = _filter(lens, fromBlock=hex(first), toBlock=hex(end))
        try:
            logs += await endpoint.call("eth_getLogs", where)
        except (NodeRefusedError, NodeDownError):  # too many blocks, too many results, or too slow
            if not endpoint.logs_range.refused(end - first + 1):
                raise
            continue
        first = end + 1
        endpoint.logs_range.accepted(range_max)
    again = await endpoint.call("eth_getBlockByNumber", hex(last), False)  # noqa: FBT003 - positional
    if again is None or block_of(again) != blocks[-1]:
        message = "the blocks changed while their logs were read"
        raise AnswerError(message)
    return _by_block(logs, blocks)


def _by_block(logs: Sequence[Raw], blocks: Sequence[Block]) -> dict[str, list[Raw]]:
    found: dict[str, list[Raw]] = {block.block_hash: [] for block in blocks}
    for log in logs:
        if log.get("removed"):
            continue
        block_hash = hash_of(log["blockHash"])
        if block_hash not in found:
            message = f"a log of block {block_hash}, which is not on the chain that was read"
            raise AnswerError(message)
        found[block_hash].append(log)
    return found


async def _inner(endpoint: Endpoint, block: Block, raw: Raw, scripts: Watched) -> list[traces.Inner]:
    """Give the payments of coin to watched addresses inside of calls."""
    txids = [hash_of(chain_tx["hash"]) for chain_tx in raw["transactions"]]
    if not txids:
        return []
    if endpoint.traces is TraceKind.TRACE:
        answer = await endpoint.call("trace_block", hex(block.height), timeout_seconds=TRACE_SECONDS)
        found = traces.from_list(answer, block.block_hash, txids)
    else:
        where = (block.block_hash, _CALL_TRACER)
        answer = await endpoint.call("debug_traceBlockByHash", *where, timeout_seconds=TRACE_SECONDS)
        found = traces.from_trees(answer, txids)
    return [inner for inner in found if inner.recipient in scripts]


async def _fill(endpoint: Endpoint, found: Sequence[Found], lens: Lens) -> None:
    """Read all that the chosen chain txs of some blocks need: themselves, receipts, balances, nonces."""
    txids = [txid for one in found for txid in one.txids]
    if not txids:
        return
    answers = await endpoint.ask(
        [call_of(name, txid) for name in ("eth_getTransactionByHash", "eth_getTransactionReceipt") for txid in txids]
    )
    by_txid = dict(zip(txids, zip(answers, answers[len(txids) :], strict=False), strict=True))
    for one in found:
        _take_txs(one, by_txid, lens)
    await asyncio.gather(_balances(endpoint, found, lens), _nonces(endpoint, found, lens))


def _take_txs(one: Found, by_txid: Mapping[str, tuple[Any, Any]], lens: Lens) -> None:
    pieces = one.pieces
    logged = [log_of(log) for log in decoding.may_concern(one.logs, lens.scripts, lens.safes)]
    ordered = []
    for txid in one.txids:
        chain_tx, answer = by_txid[txid]
        receipt = _receipt(answer, pieces.block, txid)
        for log in logged:
            if log.txid == txid and log not in receipt.logs:
                message = f"a log of {txid} is not in its receipt"
                raise AnswerError(message)
        if chain_tx is None or hash_of(chain_tx["hash"]) != txid:
            message = f"the endpoint does not have {txid}, though its receipt"
            raise AnswerError(message)
        ordered.append((int(answer["transactionIndex"], 16), chain_tx, receipt))
    for _, chain_tx, receipt in sorted(ordered, key=lambda item: item[0]):
        pieces.transactions.append(chain_tx)
        pieces.receipts[receipt.txid] = receipt


def _receipt(answer: Any, block: Block, txid: str) -> Receipt:
    receipt = None if answer is None else receipt_of(answer)
    if receipt is None or receipt.block_hash != block.block_hash or receipt.txid != txid:
        message = f"{txid} is not in block {block.height} any more"
        raise AnswerError(message)
    return receipt


async def _balances(endpoint: Endpoint, found: Sequence[Found], lens: Lens) -> None:
    questions = []
    for one in found:
        keys = {arrival.key for arrival in arrivals(one.pieces.receipts, lens)}
        one.note_sent(keys)
        questions += [(one, key) for key in sorted(keys)]
    if not questions:
        return
    calls = [(token_balance(*key), one.pieces.block) for one, key in questions]
    before, after = await read_words_before(endpoint, calls), await read_words(endpoint, calls)
    for (one, key), *pair in zip(questions, before, after, strict=True):
        one.pieces.balances[key] = (pair[0], pair[1])


async def _nonces(endpoint: Endpoint, found: Sequence[Found], lens: Lens) -> None:
    questions = []
    for one in found:
        safes = sorted({execution.safe for _, _, execution in executions(one.pieces.receipts, lens)})
        questions += [(one, safe) for safe in safes]
    if not questions:
        return
    calls = [(safe_nonce(safe), one.pieces.block) for one, safe in questions]
    before, after = await read_words_before(endpoint, calls), await read_words(endpoint, calls)
    for (one, safe), first, past in zip(questions, before, after, strict=True):
        if first is None or past is None:
            message = f"0x{safe.hex()} does not tell its nonce: is it a Safe?"
            raise AnswerError(message)
        one.pieces.nonces[safe] = (first, past)


async def detect_traces(endpoint: Endpoint, wanted: str) -> TraceKind | None:
    """Find out how an endpoint tells of inner calls, by asking for a block's; ``wanted`` is the setting.

    None where it refused without saying that there is no such method, for its limits perhaps: it is asked again after
    ``TRACES_AGAIN_SECONDS``. Raises ``NodeError`` where it does not answer at all.
    """
    if endpoint.traces is not None or time.monotonic() < endpoint.traces_asked_next:
        return endpoint.traces
    latest = block_of(await endpoint.call("eth_getBlockByNumber", "latest", False))  # noqa: FBT003 - positional
    kinds = (TraceKind.DEBUG, TraceKind.TRACE) if wanted == "auto" else (TraceKind(wanted),)
    said = {kind: await _offers(endpoint, kind, latest) for kind in kinds if kind is not TraceKind.NONE}
    offered = [kind for kind, offers in said.items() if offers]
    if offered:
        endpoint.traces = offered[0]
    elif None in said.values():
        endpoint.traces_asked_next = time.monotonic() + TRACES_AGAIN_SECONDS
    else:
        endpoint.traces = TraceKind.NONE
    return endpoint.traces


async def _offers(endpoint: Endpoint, kind: TraceKind, block: Block) -> bool | None:
    """Whether it offers them; None where that cannot be told from its answer."""
    debug = kind is TraceKind.DEBUG
    call = (
        call_of("debug_traceBlockByHash", block.block_hash, _CALL_TRACER)
        if debug
        else call_of("trace_block", hex(block.height))
    )
    try:
        await endpoint.call(call.method, *call.params, timeout_seconds=TRACE_SECONDS)
    except NodeRefusedError as error:
        if error.number in _NO_SUCH_METHOD or "method" in error.message.lower():
            return False
        return True if block.height == 0 else None  # a genesis block cannot be traced, whoever is asked
    return True
