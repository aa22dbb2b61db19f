"""Following the node's blocks: back to the fork where there was a reorg, then forward, as facts.

One commit holds the way back and the first blocks of the way forward, so that a reader of facts never stops between
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from strongroom.chains.bitcoin.memory import Memory
from strongroom.chains.bitcoin.node import BitcoinNode
from strongroom.chains.bitcoin.parser import ParsedTx, ScannedBlock, parse_tx, scan_block
from strongroom.chains.facts import BlockRef, Fact
from strongroom.chains.model import EventKind, NodeTip, RemovalReason
from strongroom.chains.recording import store
from strongroom.infra.database import Connection

BLOCKS_PER_COMMIT: Final = 100
BYTES_PER_COMMIT: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one commit records: facts in order, how many blocks were orphaned, and how deep."""

    facts: list[Fact]
    tip: BlockRef | None
    orphaned: int = 0
    depth: int = 0


class BlockFollower:
    """Walks the recorded chain to where the node's is."""

    def __init__(self, node: BitcoinNode, memory: Memory, start_height: int) -> None:
        """Share the watcher's node and memory."""
        self._node = node
        self._memory = memory
        self._start_height = start_height

    async def next_stretch(self, connection: Connection, best: NodeTip) -> Stretch:
        """Work out the next facts towards ``best``, none where we are there. Changes memory, not the database."""
        facts = await self._walk_back(connection)
        depth = await self._depth(connection, facts[-1]) if facts else 0
        orphaned = len(facts)
        forward = await self._walk_forward(best)
        return Stretch([*facts, *forward], self._memory.tip, orphaned, depth)

    async def _walk_back(self, connection: Connection) -> list[Fact]:
        memory, facts = self._memory, list[Fact]()
        while memory.tip is not None and await self._node.block_hash(memory.tip.height) != memory.tip.block_hash:
            block = memory.tip
            facts.append(Fact(EventKind.DISCONNECTED, block, undoes=block.event_id))
            for row in await store.load_txs(connection, memory.chain, block.event_id):
                memory.add_open(parse_tx(row.raw), row.source)
            memory.tip = await store.load_block(connection, memory.chain, block.height - 1)
        return facts

    async def _depth(self, connection: Connection, lowest: Fact) -> int:
        """Give the most confirmations that the lowest orphaned block has had."""
        if lowest.block is None or lowest.undoes is None:
            return 0
        peak = await store.load_peak(connection, self._memory.chain, lowest.undoes)
        return peak - lowest.block.height + 1

    async def _walk_forward(self, best: NodeTip) -> list[Fact]:
        tip = self._memory.tip
        first = tip.height + 1 if tip else self._start_height
        last = min(best.height, first + BLOCKS_PER_COMMIT - 1)
        hashes = await self._node.block_hashes(first, last) if first <= last else []
        facts: list[Fact] = []
        size = 0
        for height, block_hash in enumerate(hashes, first):
            if block_hash is None or size >= BYTES_PER_COMMIT:
                break
            raw = await self._node.raw_block(block_hash)
            size += len(raw)
            block = scan_block(raw, self._memory.wanted, block_hash)
            if not self._follows(block):
                break  # the node changed its mind while we read: the next round walks back
            facts += self._connect(height, block)
        return facts

    def _follows(self, block: ScannedBlock) -> bool:
        return self._memory.tip is None or block.parent_hash == self._memory.tip.block_hash

    def _connect(self, height: int, block: ScannedBlock) -> list[Fact]:
        time = datetime.fromtimestamp(block.unix_time, UTC)
        ref = BlockRef(height, block.block_hash, block.parent_hash, time)
        observed = [(tx, self._memory.observe(tx)) for _, tx in block.found]
        facts = [Fact(EventKind.CONNECTED, ref, txs=tuple(seen for _, seen in observed if seen is not None))]
        for tx, _ in observed:
            self._memory.drop_open(tx.txid)
            facts += displace(self._memory, tx, RemovalReason.CONFLICT)
        self._memory.tip = ref
        return facts

    def recorded(self, facts: Sequence[Fact], ids: Sequence[int]) -> None:
        """Take over the event id of the tip, once it is known."""
        tip = self._memory.tip
        for fact, event_id in zip(facts, ids, strict=True):
            if fact.kind == EventKind.CONNECTED and fact.block is tip and tip is not None:
                self._memory.tip = BlockRef(tip.height, tip.block_hash, tip.parent_hash, tip.block_time, event_id)


def displace(memory: Memory, tx: ParsedTx, reason: RemovalReason) -> list[Fact]:
    """Take back the open chain txs whose coins another one spends."""
    facts = []
    for rival in memory.rivals(tx):
        known = memory.drop_open(rival)
        if known is not None:
            memory.remember_displaced([rival], tx.txid)
            facts.append(removal(rival, reason, tx.txid, known.source))
    return facts


def removal(txid: str, reason: RemovalReason, by: str | None, source: int) -> Fact:
    """Make the fact that an open chain tx is gone."""
    return Fact(EventKind.MEMPOOL_REMOVED, txid=txid, reason=reason, replaced_by=by, undoes=source)
