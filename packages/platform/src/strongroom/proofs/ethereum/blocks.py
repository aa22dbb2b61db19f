"""Proofs from an EVM chain's own blocks: the header, a receipt, and the nodes of the trie that lead to it.

Everything is checked here as a signer checks it, before it is sent: an endpoint that gives something else is found.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import rlp

from strongroom.chains.errors import BlockMismatchError, NodeRefusedError
from strongroom.chains.ethereum.model import Log
from strongroom.chains.ethereum.raw_blocks import header_of, receipt_of
from strongroom.chains.ethereum.reading import data_of, log_of
from strongroom.chains.ethereum.trie import ReceiptTrie
from strongroom.proofs.errors import UnprovableError
from strongroom.proofs.model import Proof, ProofKind, ProofRequest, Wanted
from strongroom.wallets.model import WalletAddress
from strongroom_core.ids import RequestId
from strongroom_core.proof_messages import ProveExecutionsRequest, ProveReceiptsRequest, ReceiptProof

#: Blocks kept read: both signers are shown the same ones, one after the other.
MAX_BLOCKS: Final = 4


class BlockSource(Protocol):
    """Where blocks come from."""

    async def raw_block(self, block_hash: str) -> tuple[Any, list[Any]]:
        """Give a block and its receipts in JSON. Raises ``NodeError``, ``NodeRefusedError`` without the block."""
        ...


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block whose receipts can be proven: its header in RLP, the trie, and the logs of each receipt."""

    header: bytes
    trie: ReceiptTrie
    logs: tuple[tuple[Log, ...], ...]

    @classmethod
    def read(cls, block: Any, receipts: Sequence[Any], block_hash: str) -> ReadBlock:
        """Check header and receipts by their hashes. Raises ``BlockMismatchError``, ``AnswerError``."""
        header = header_of(block, block_hash)
        trie = ReceiptTrie.of([receipt_of(receipt) for receipt in receipts])
        if trie.root != data_of(block["receiptsRoot"]):
            message = f"the receipts that the node gave are not those of block {block_hash}"
            raise BlockMismatchError(message)
        return cls(header, trie, tuple(tuple(map(log_of, receipt["logs"])) for receipt in receipts))

    def proof(self, position: int, log: int, branch: int, index: int) -> ReceiptProof:
        """Prove one log by the place of its receipt and its own within that."""
        nodes = bytes(rlp.encode(self.trie.path(position)))
        return ReceiptProof(self.header, position, nodes, log, branch, index)


@dataclass(slots=True)
class ReceiptProver:
    """Reads blocks from our own endpoints, the last few of them once."""

    node: BlockSource
    _read: OrderedDict[str, ReadBlock] = field(default_factory=OrderedDict)

    @property
    def kinds(self) -> tuple[ProofKind, ...]:
        """Sweeps of forwarders, and nonces of the hot Safe that are used."""
        return (ProofKind.SWEEP, ProofKind.EXECUTION)

    async def proof(self, wanted: Wanted, address: WalletAddress | None) -> ReceiptProof:
        """Prove one log. Raises ``UnprovableError``, ``NodeError``."""
        try:
            block = await self._block(wanted.block_hash)
        except (BlockMismatchError, NodeRefusedError) as error:
            raise UnprovableError(error.message) from None
        place = (address.branch, address.index) if address else (0, 0)
        for position, logs in enumerate(block.logs):
            for number, log in enumerate(logs):
                if (log.txid, log.log_index) == (wanted.txid, wanted.place):
                    return block.proof(position, number, *place)
        message = "the block has no such log"
        raise UnprovableError(message)

    def request(self, kind: ProofKind, chain: str, proofs: Sequence[Proof]) -> ProofRequest:
        """Put proofs of one kind into a request."""
        own = tuple(proof for proof in proofs if isinstance(proof, ReceiptProof))
        ask = ProveReceiptsRequest if kind is ProofKind.SWEEP else ProveExecutionsRequest
        return ask(RequestId.new(), chain, own)

    async def _block(self, block_hash: str) -> ReadBlock:
        block = self._read.get(block_hash)
        if block is None:
            block = ReadBlock.read(*await self.node.raw_block(block_hash), block_hash)
            self._read[block_hash] = block
            while len(self._read) > MAX_BLOCKS:
                self._read.popitem(last=False)
        self._read.move_to_end(block_hash)
        return block
