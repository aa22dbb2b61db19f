"""A bitcoin-like's node, asked in the words of ``ChainNode``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

from strongroom.chains.bitcoin.parser import parse_tx
from strongroom.chains.bitcoin.rpc import RpcClient, base_units
from strongroom.chains.bitcoin.scan import scan_utxos
from strongroom.chains.errors import BroadcastRejectedError, NodeError, NodeRefusedError, WrongNetworkError
from strongroom.chains.jsonrpc import call_of
from strongroom.chains.model import NodeTip, ScanRange, TxPlace, UtxoScan
from strongroom.infra.settings import ChainSettings

BLOCK_SECONDS: Final = 60.0
_NOT_FOUND: Final = -5  # bitcoin/src/rpc/protocol.h, here and below
_OUT_OF_RANGE: Final = -8
_VERIFY_ERROR: Final = -25
_VERIFY_REJECTED: Final = -26
_ALREADY_IN_UTXO_SET: Final = -27
_KNOWN: Final = frozenset({"txn-already-in-mempool", "txn-already-known", "txn-same-nonwitness-data-in-mempool"})
_OUTPUTS_TRIED: Final = 20
_VBYTES_PER_KVB: Final = 1000
_REFERENCE_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class NodeState:
    """What a node says of itself: its best block, whether it still catches up, and with how many blocks to go."""

    tip: NodeTip
    headers: int
    starting: bool


class BitcoinNode:
    """The node that the settings name."""

    def __init__(self, settings: ChainSettings) -> None:
        """Name the node; nothing is opened yet."""
        self.rpc = RpcClient(settings.rpc_url, settings.cookie_file)
        self._chain_id = settings.id

    async def close(self) -> None:
        """Close its connections."""
        await self.rpc.close()

    async def state(self) -> NodeState:
        """Ask how far the node is, and whose chain it serves, in one request.

        Raises ``WrongNetworkError`` unless its genesis block is the one that names the chain (CAIP-2). That is asked
        every time: what answers at an address may be another node than a moment ago.
        """
        info, genesis = (
            _or_raise(item) for item in await self.rpc.batch([call_of("getblockchaininfo"), call_of("getblockhash", 0)])
        )
        reference = self._chain_id.partition(":")[2]
        if str(genesis)[:_REFERENCE_DIGITS] != reference:
            message = f"the node's genesis block is {genesis}, which is not {self._chain_id}: correct rpc_url or id"
            raise WrongNetworkError(message)
        tip = NodeTip(int(info["blocks"]), str(info["bestblockhash"]))
        return NodeState(tip, int(info["headers"]), bool(info["initialblockdownload"]))

    async def blocks_to_come(self) -> int:
        """Count the blocks above its tip that the node knows by header and has to fetch; not the invalid ones."""
        tips = await self.rpc.call("getchaintips")
        active = max((tip["height"] for tip in tips if tip["status"] == "active"), default=0)
        coming = [tip["height"] for tip in tips if tip["status"] in {"headers-only", "valid-headers"}]
        return max(0, max(coming, default=0) - int(active))

    async def tip(self) -> NodeTip:
        """Give the best block."""
        return (await self.state()).tip

    async def block_hash(self, height: int) -> str | None:
        """Give the active chain's block at a height, or None beyond the tip."""
        return (await self.block_hashes(height, height))[0] if height >= 0 else None

    async def block_hashes(self, first: int, last: int) -> list[str | None]:
        """Give the active chain's blocks from height ``first`` to ``last``; None beyond the tip."""
        answers = await self.rpc.batch([call_of("getblockhash", height) for height in range(first, last + 1)])
        return [_unless(answer, _OUT_OF_RANGE) for answer in answers]

    async def raw_block(self, block_hash: str) -> bytes:
        """Fetch a block."""
        return bytes.fromhex(await self.rpc.call("getblock", block_hash, 0, timeout_seconds=BLOCK_SECONDS))

    async def raw_blocks(self, hashes: Sequence[str]) -> list[bytes]:
        """Fetch blocks, one request each."""
        return [await self.raw_block(block_hash) for block_hash in hashes]

    async def mempool_txids(self) -> list[str]:
        """List the mempool."""
        txids: list[str] = await self.rpc.call("getrawmempool")
        return txids

    async def raw_txs(self, txids: Sequence[str]) -> dict[str, bytes]:
        """Fetch chain txs of the mempool; those that are gone are missing from the answer."""
        answers = await self.rpc.batch([call_of("getrawtransaction", txid) for txid in txids])
        texts = ((txid, _unless(answer, _NOT_FOUND)) for txid, answer in zip(txids, answers, strict=True))
        return {txid: bytes.fromhex(text) for txid, text in texts if text is not None}

    async def mempool_entries(self, txids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Give the mempool's records of chain txs; those that are not in it are missing from the answer."""
        answers = await self.rpc.batch([call_of("getmempoolentry", txid) for txid in txids])
        entries = ((txid, _unless(answer, _NOT_FOUND)) for txid, answer in zip(txids, answers, strict=True))
        return {txid: entry for txid, entry in entries if entry is not None}

    async def raw_tx(self, txid: str, block_hash: str | None = None) -> bytes | None:
        """Fetch a chain tx; None where the node does not have it (or, without an index, needs its block)."""
        place = () if block_hash is None else (block_hash,)
        (answer,) = await self.rpc.batch([call_of("getrawtransaction", txid, 0, *place)])
        text = _unless(answer, _NOT_FOUND)
        return None if text is None else bytes.fromhex(text)

    async def tx_place(self, txid: str) -> TxPlace:
        """Find a chain tx in the mempool, by the node's index, or by an output of it that is unspent."""
        entry, indexed = await self.rpc.batch([call_of("getmempoolentry", txid), call_of("getrawtransaction", txid, 1)])
        if _unless(entry, _NOT_FOUND) is not None:
            return TxPlace(in_mempool=True)
        found = _unless(indexed, _NOT_FOUND)
        if found is not None and found.get("confirmations", 0) > 0:
            return await self._place(str(found["blockhash"]), int(found["confirmations"]))
        return await self._place_by_output(txid)

    async def _place(self, block_hash: str, confirmations: int) -> TxPlace:
        header = await self.rpc.call("getblockheader", block_hash)
        return TxPlace(block_hash=block_hash, height=int(header["height"]), confirmations=confirmations)

    async def _place_by_output(self, txid: str) -> TxPlace:
        calls = [call_of("gettxout", txid, vout, False) for vout in range(_OUTPUTS_TRIED)]  # noqa: FBT003 - positional
        for answer in await self.rpc.batch(calls):
            output = _unless(answer, _NOT_FOUND)
            if output is not None:
                best = await self.rpc.call("getblockheader", output["bestblock"])
                height = int(best["height"]) - int(output["confirmations"]) + 1
                return TxPlace(
                    block_hash=await self.block_hash(height), height=height, confirmations=int(output["confirmations"])
                )
        return TxPlace()

    async def broadcast(self, raw: bytes) -> str:
        """Send a chain tx; one that the node has already is a success. Raises ``BroadcastRejectedError``."""
        txid = parse_tx(raw).txid
        try:
            return str(await self.rpc.call("sendrawtransaction", raw.hex()))
        except NodeRefusedError as error:
            reason = error.message.removeprefix("sendrawtransaction: ")
            if error.number == _ALREADY_IN_UTXO_SET or reason in _KNOWN:
                return txid
            if error.number not in {_VERIFY_ERROR, _VERIFY_REJECTED}:
                raise
            if (await self.tx_place(txid)).known:  # confirmed before, its outputs perhaps spent since
                return txid
            raise BroadcastRejectedError(reason) from None

    async def test_accept(self, raw: bytes) -> str | None:
        """Give the node's reason against a chain tx, or None where it would accept it or has it."""
        answer = (await self.rpc.call("testmempoolaccept", [raw.hex()]))[0]
        if answer["allowed"] or answer.get("reject-reason") in _KNOWN:
            return None
        return str(answer.get("reject-reason", "refused"))

    async def fee_rate(self, target_blocks: int) -> int | None:
        """Estimate the rate in sat/vB, rounded up; None where the node has too little data."""
        answer = await self.rpc.call("estimatesmartfee", target_blocks)
        if "feerate" not in answer:
            return None
        per_kvb = base_units(Decimal(answer["feerate"]))
        return int((Decimal(per_kvb) / _VBYTES_PER_KVB).to_integral_value(ROUND_CEILING))

    async def utxo_scan(self, targets: Sequence[bytes | ScanRange | str]) -> UtxoScan:
        """Scan the whole set of unspent outputs; cancelling the task aborts the scan on the node."""
        return await scan_utxos(self.rpc, targets)

    async def network_reachable(self, timeout_seconds: float) -> bool:
        """Whether the node answers at all within a time; for health pages."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.state()
        except (NodeError, TimeoutError):
            return False
        return True


def _or_raise(answer: Any) -> Any:
    """Give an answer of a batch; raises a refusal."""
    if isinstance(answer, NodeError):
        raise answer
    return answer


def _unless(answer: Any, number: int) -> Any:
    """Give an answer of a batch, None for a refusal with the expected number; raises any other refusal."""
    if not isinstance(answer, NodeRefusedError):
        return answer
    if answer.number == number:
        return None
    raise answer
