"""A small model of an account chain and its node, which keeps a record of its own: blocks, mempool, who paid what."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from strongroom.chains.errors import BroadcastRejectedError, NodeDownError
from strongroom.chains.ethereum.keccak import keccak
from strongroom.chains.ethereum.model import Block, GasPrices, Place, Receipt
from strongroom.chains.model import NodeTip

GAS_USED = 21_000
BALANCE = 10**18


@dataclass(frozen=True)
class Tx:
    """A chain tx as the model reads it."""

    txid: str
    sender: bytes
    nonce: int
    to: bytes
    data: bytes
    gas_limit: int
    max_fee: int
    tip: int


@dataclass(frozen=True)
class Mined:
    """A chain tx in a block, with what it cost."""

    tx: Tx
    fee: int


@dataclass
class ModelBlock:
    """A block; its hash is never used again."""

    block_hash: str
    txs: list[Mined] = field(default_factory=list)


def read(raw: bytes) -> Tx:
    fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    return Tx(
        txid=f"0x{keccak(raw).hex()}",
        sender=bytes.fromhex(Account.recover_transaction(raw)[2:]),
        nonce=fields["nonce"],
        to=bytes(fields["to"]),
        data=bytes(fields["data"]),
        gas_limit=fields["gas"],
        max_fee=fields["maxFeePerGas"],
        tip=fields["maxPriorityFeePerGas"],
    )


@dataclass
class ModelNode:
    """One node that knows everything. ``fault`` is what goes wrong with the next chain tx that is sent to it."""

    blocks: list[ModelBlock] = field(default_factory=list)
    mempool: dict[tuple[bytes, int], Tx] = field(default_factory=dict)
    base_fee: int = 10
    fault: str = ""
    hides_receipts: bool = False
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    mined_twice: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.make_block([])

    # What the relayer asks.

    async def tip(self) -> NodeTip:
        return NodeTip(len(self.blocks) - 1, self.blocks[-1].block_hash)

    async def block(self, place: Place) -> Block | None:
        assert isinstance(place, int)
        if place >= len(self.blocks):
            return None
        parent = self.blocks[place - 1].block_hash if place else ""
        return Block(place, self.blocks[place].block_hash, parent, 0, self.base_fee, 30_000_000)

    async def nonce(self, address: bytes, *, pending: bool = False) -> int:
        count = sum(item.tx.sender == address for item in self.mined())
        while pending and (address, count) in self.mempool:
            count += 1
        return count

    async def balance(self, address: bytes) -> int:
        return BALANCE - self.paid_by(address)

    async def fees(self) -> GasPrices:
        return GasPrices(self.base_fee, 2)

    async def estimate_gas(self, sender: bytes, to: bytes, data: bytes) -> int:
        return GAS_USED

    async def send_raw(self, raw: bytes) -> str:
        fault, self.fault = self.fault, ""
        if fault == "lost":
            raise NodeDownError(fault)
        tx = read(raw)
        if fault == "full":
            message = "txpool is full"
            raise BroadcastRejectedError(message)
        self.accept(tx)
        if fault == "late":
            raise NodeDownError(fault)
        return tx.txid

    async def receipt(self, txid: str) -> Receipt | None:
        for height, block in enumerate(self.blocks):
            for item in block.txs:
                if item.tx.txid == txid and not self.hides_receipts:
                    tx = item.tx
                    price = item.fee // GAS_USED
                    return Receipt(txid, True, height, block.block_hash, tx.sender, tx.to, None, GAS_USED, price, 0, ())
        return None

    # What the world does.

    def accept(self, tx: Tx) -> None:
        if any(item.tx.txid == tx.txid for item in self.mined()):
            return
        if tx.nonce < sum(item.tx.sender == tx.sender for item in self.mined()):
            message = "nonce too low"
            raise BroadcastRejectedError(message)
        there = self.mempool.get((tx.sender, tx.nonce))
        if there and there.txid != tx.txid and (tx.max_fee * 10 < there.max_fee * 11 or tx.tip * 10 < there.tip * 11):
            message = "replacement transaction underpriced"
            raise BroadcastRejectedError(message)
        self.mempool[tx.sender, tx.nonce] = tx

    def mine(self) -> None:
        """Make a block of all that pays enough and whose turn it is."""
        taken: list[Mined] = []
        counts: dict[bytes, int] = {}
        for item in self.mined():
            counts[item.tx.sender] = counts.get(item.tx.sender, 0) + 1
        for sender, nonce in sorted(self.mempool):
            tx = self.mempool[sender, nonce]
            if nonce < counts.get(sender, 0):
                del self.mempool[sender, nonce]
            elif nonce == counts.get(sender, 0) and tx.max_fee > self.base_fee:
                del self.mempool[sender, nonce]
                counts[sender] = nonce + 1
                taken.append(Mined(tx, GAS_USED * min(tx.max_fee, self.base_fee + tx.tip)))
        self.make_block(taken)

    def make_block(self, txs: list[Mined]) -> None:
        number = next(self.numbers)
        self.blocks.append(ModelBlock(f"0x{number:064x}", txs))

    def reorganise(self, depth: int, *, keep: bool) -> None:
        """Orphan the last blocks and make one more than they were; what they had waits again, or is forgotten."""
        orphaned = self.blocks[-depth:]
        del self.blocks[-depth:]
        if keep:
            for tx in (item.tx for block in orphaned for item in block.txs):
                self.mempool.setdefault((tx.sender, tx.nonce), tx)
        for _ in range(depth + 1):
            self.make_block([])

    def mined(self) -> list[Mined]:
        return [item for block in self.blocks for item in block.txs]

    def paid_by(self, address: bytes) -> int:
        return sum(item.fee for item in self.mined() if item.tx.sender == address)
