"""Proofs from a bitcoin-like's own blocks: the chain tx, its place, and the branch of the Merkle tree above it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from strongroom.chains.bitcoin.parser import display, parse_tx, read_block
from strongroom.chains.errors import BlockFormatError, BlockMismatchError, NodeRefusedError
from strongroom.chains.model import ChainNode
from strongroom.proofs.errors import UnprovableError
from strongroom.proofs.model import Proof, ProofKind, ProofRequest, Wanted
from strongroom.wallets.model import WalletAddress
from strongroom_core.ids import RequestId
from strongroom_core.proof_messages import ProveConflictsRequest, ProveTxsRequest, TxProof

#: Blocks kept read: both signers are shown the same ones, one after the other.
MAX_BLOCKS: Final = 4


@dataclass(frozen=True, slots=True)
class Branch:
    """A chain tx (raw, as its block has it), its place in the block, and its siblings from the leaf up."""

    tx: bytes
    position: int
    siblings: bytes


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block whose chain txs are found by their ids."""

    raw: bytes
    places: dict[str, int]
    ends: list[int]
    levels: list[list[bytes]]

    @classmethod
    def read(cls, raw: bytes, block_hash: str) -> ReadBlock:
        """Check the block against its hash, and hash its tree. Raises ``BlockFormatError``, ``BlockMismatchError``."""
        layout = read_block(raw, block_hash)
        places = {display(item): place for place, item in enumerate(layout.ids)}
        return cls(raw, places, layout.ends, list(_levels(layout.ids)))

    def branch(self, txid: str) -> Branch | None:
        """Give the proof that this block has a chain tx, or nothing where it has not."""
        position = self.places.get(txid)
        if position is None:
            return None
        tx = parse_tx(self.raw[self.ends[position] : self.ends[position + 1]]).raw
        parts, at = [], position
        for level in self.levels[:-1]:
            # An odd last node is paired with itself.
            parts.append(level[min(at ^ 1, len(level) - 1)])
            at >>= 1
        return Branch(tx, position, b"".join(parts))


def _levels(ids: list[bytes]) -> list[list[bytes]]:
    levels = [list(ids)]
    while len(levels[-1]) > 1:
        level = levels[-1]
        right = [*level[1::2], level[-1]] if len(level) % 2 else level[1::2]
        pairs = zip(level[::2], right, strict=True)
        levels.append([sha256(sha256(one + other).digest()).digest() for one, other in pairs])
    return levels


@dataclass(slots=True)
class BlockProver:
    """Reads blocks from our own node, the last few of them once."""

    node: ChainNode
    _read: OrderedDict[str, ReadBlock] = field(default_factory=OrderedDict)

    @property
    def kinds(self) -> tuple[ProofKind, ...]:
        """Deposits and dead slots."""
        return (ProofKind.DEPOSIT, ProofKind.CONFLICT)

    async def proof(self, wanted: Wanted, address: WalletAddress | None) -> TxProof:
        """Prove that a block has a chain tx. Raises ``UnprovableError``, ``NodeError``."""
        try:
            branch = await self.branch(wanted.block_hash, wanted.txid)
        except (BlockMismatchError, BlockFormatError, NodeRefusedError) as error:
            raise UnprovableError(error.message) from None
        if branch is None:
            message = "the block has no such chain tx"
            raise UnprovableError(message)
        block = bytes.fromhex(wanted.block_hash)[::-1]
        where = (address.kind.value, address.branch, address.index) if address else ("", 0, 0)
        return TxProof(branch.tx, block, wanted.height, branch.position, branch.siblings, wanted.place, *where)

    def request(self, kind: ProofKind, chain: str, proofs: Sequence[Proof]) -> ProofRequest:
        """Put proofs of one kind into a request."""
        own = tuple(proof for proof in proofs if isinstance(proof, TxProof))
        ask = ProveTxsRequest if kind is ProofKind.DEPOSIT else ProveConflictsRequest
        return ask(RequestId.new(), chain, own)

    async def branch(self, block_hash: str, txid: str) -> Branch | None:
        """Prove that a block has a chain tx; nothing where it has not. Raises ``NodeError`` without the block."""
        block = self._read.get(block_hash)
        if block is None:
            block = ReadBlock.read(await self.node.raw_block(block_hash), block_hash)
            self._read[block_hash] = block
            while len(self._read) > MAX_BLOCKS:
                self._read.popitem(last=False)
        self._read.move_to_end(block_hash)
        return block.branch(txid)
