"""What a chain tells: facts about blocks and chain txs, the state of our view of it, and what a node can be asked.

Txids and block hashes are lower-case hex in display order (of bitcoin-likes the reverse of the bytes that are hashed;
of EVM chains with ``0x`` before it); amounts are whole base units; scripts are bytes, of EVM chains an address's 20;
heights count from the genesis block, 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol


class EventKind(StrEnum):
    """What happened. A block may connect, disconnect and connect again, each time with an event of its own."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    MEMPOOL_ADDED = "mempool_added"
    MEMPOOL_REMOVED = "mempool_removed"


class RemovalReason(StrEnum):
    """Why a chain tx is no longer open, other than by being confirmed (which is its block's ``connected`` event)."""

    REPLACED = "replaced"  # another chain tx in the mempool spends the same coin
    CONFLICT = "conflict"  # another chain tx that spends the same coin is in a block, or an ancestor was displaced
    EVICTED = "evicted"  # the node dropped it: expired, mempool full, or its orphaned block's chain did not keep it


UNKNOWN_NONCE: Final = -1


@dataclass(frozen=True, slots=True)
class ObservedOutput:
    """A payment to a watched script: an output, or a token's transfer or coin moved on an EVM chain.

    ``asset`` is its CAIP-19 id. On an EVM chain ``vout`` is the log's place in its chain tx; 1,000,000 and up for coin
    (the top-level call first, then those inside of it); 2,000,000 and up for coin that only a balance told of, where
    ``txid`` is the hash of the block in which that balance was read; 3,000,000 and up for what arrived of a token while
    it was refused, told of later, where ``txid`` is a name that no chain tx has.
    """

    vout: int
    script: bytes
    amount: int
    coinbase: bool
    asset: str


@dataclass(frozen=True, slots=True)
class ObservedSpend:
    """An input that spends a coin of ours; on an EVM chain, an execution that used up a nonce of a Safe of ours.

    There ``effect`` is the safeTxHash (``0x…``) that was executed, which alone says what it was; ``prev_txid`` is the
    Safe's address (``0x`` and small letters), ``prev_vout`` the nonce, or ``UNKNOWN_NONCE`` where one execution may
    have run inside another so that nothing tells which had which. Where it was not a ``success`` nothing moved but the
    nonce is used up.
    """

    vin: int
    prev_txid: str
    prev_vout: int
    effect: str = ""
    success: bool = True


@dataclass(frozen=True, slots=True)
class ObservedTx:
    """What of one chain tx concerns us; all matched outputs and spends of it together.

    ``rbf``: it or an unconfirmed ancestor signals that it may be replaced (BIP 125). Without the signal it may be
    replaced all the same by nodes that relay any replacement: unconfirmed is never safe.
    """

    txid: str
    rbf: bool
    outputs: tuple[ObservedOutput, ...] = ()
    spends: tuple[ObservedSpend, ...] = ()


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """One fact, in the order of ``id`` per chain.

    ``txs`` of ``disconnected`` and ``mempool_removed`` are those that it takes back. After ``disconnected`` they count
    as unconfirmed until a ``connected`` event has them again or a ``mempool_removed`` event says that they are gone.
    """

    id: int
    chain: str
    kind: EventKind
    height: int | None = None
    block_hash: str | None = None
    block_time: datetime | None = None
    reason: RemovalReason | None = None
    replaced_by: str | None = None
    txs: tuple[ObservedTx, ...] = ()
    parent_hash: str | None = None


class ChainStatus(StrEnum):
    """Whether the facts can be relied on now. Nothing is credited unless it is ``OK``."""

    OK = "ok"
    SYNCING = "syncing"  # the node, or we behind it, are catching up
    DOWN = "down"  # the node does not answer
    WRONG_NETWORK = "wrong-network"  # the node's genesis block, or number, is another chain's
    DISAGREE = "disagree"  # fewer endpoints say the same than have to
    REORG_TOO_DEEP = "reorg-too-deep"  # blocks beyond the horizon were orphaned; an operator has to look


@dataclass(frozen=True, slots=True)
class Tip:
    """How far the recorded facts reach, and how they stand. ``node_height`` is the node's own, for progress.

    ``finalized_height`` is the highest block that an EVM chain calls final; None where it calls none so.
    """

    chain: str
    height: int | None
    block_hash: str | None
    status: ChainStatus
    detail: str
    updated_at: datetime
    node_height: int | None = None
    finalized_height: int | None = None


@dataclass(frozen=True, slots=True)
class NodeTip:
    """The best block of a node."""

    height: int
    block_hash: str


@dataclass(frozen=True, slots=True)
class TxPlace:
    """Where a node has a chain tx: in its mempool, in a block of its active chain, or nowhere (``known`` is false).

    Without a transaction index a node knows only its mempool and chain txs with unspent outputs, so that ``known``
    false does not prove absence.
    """

    in_mempool: bool = False
    block_hash: str | None = None
    height: int | None = None
    confirmations: int = 0

    @property
    def known(self) -> bool:
        """Whether the node has it at all."""
        return self.in_mempool or self.block_hash is not None


@dataclass(frozen=True, slots=True)
class ScannedCoin:
    """One unspent output that a scan found; ``height`` is its block's."""

    txid: str
    vout: int
    script: bytes
    amount: int
    height: int
    coinbase: bool


@dataclass(frozen=True, slots=True)
class ScanRange:
    """A ranged output descriptor (BIP 380) with the last index of its ``*``, 0 included."""

    descriptor: str
    last: int


@dataclass(frozen=True, slots=True)
class UtxoScan:
    """All unspent outputs of what was asked, as of one block."""

    height: int
    block_hash: str
    coins: tuple[ScannedCoin, ...]


class ChainNode(Protocol):
    """What a node can be asked. Every method raises ``NodeError`` (or a kind of it) where the node cannot answer."""

    async def broadcast(self, raw: bytes) -> str:
        """Send a chain tx to the network and give its txid; one already known or confirmed is a success.

        Raises ``BroadcastRejectedError`` with the node's reason.
        """
        ...

    async def test_accept(self, raw: bytes) -> str | None:
        """Give the node's reason against accepting a chain tx into its mempool, or None where it would."""
        ...

    async def fee_rate(self, target_blocks: int) -> int | None:
        """Estimate the rate in sat/vB, rounded up, to confirm within ``target_blocks``; None without data."""
        ...

    async def raw_tx(self, txid: str, block_hash: str | None = None) -> bytes | None:
        """Fetch a chain tx; without an index on the node, a confirmed one only with its ``block_hash``."""
        ...

    async def tx_place(self, txid: str) -> TxPlace:
        """Find where a chain tx is."""
        ...

    async def utxo_scan(self, targets: Sequence[bytes | ScanRange | str]) -> UtxoScan:
        """Scan the whole set of unspent outputs for scripts and descriptors; cancelling the task aborts the scan."""
        ...

    async def tip(self) -> NodeTip:
        """Give the best block."""
        ...

    async def block_hash(self, height: int) -> str | None:
        """Give the active chain's block at a height, or None beyond the tip."""
        ...

    async def raw_block(self, block_hash: str) -> bytes:
        """Fetch a block."""
        ...

    async def mempool_txids(self) -> list[str]:
        """List the mempool."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...
