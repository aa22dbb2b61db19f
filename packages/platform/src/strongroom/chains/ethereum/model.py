"""What an EVM node tells when asked: blocks, logs, receipts.

Addresses are 20 bytes; txids and hashes ``0x`` and 64 small hex digits; amounts and fees in wei; heights count from the
genesis block, 0.
"""

from __future__ import annotations

from dataclasses import dataclass

# A height, a tag (``latest``, ``finalized``, ``safe``, ``earliest``) or a block's hash.
Place = int | str


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header. ``base_fee`` is in wei per gas, 0 on a chain without EIP-1559."""

    height: int
    block_hash: str
    parent_hash: str
    unix_time: int
    base_fee: int
    gas_limit: int


@dataclass(frozen=True, slots=True)
class Log:
    """One log; ``log_index`` counts in its block."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    log_index: int
    txid: str
    block_hash: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a chain tx; ``fee`` is all that its sender paid, the part for layer 1 of a rollup included."""

    txid: str
    success: bool
    height: int
    block_hash: str
    sender: bytes
    to: bytes | None
    created: bytes | None
    gas_used: int
    gas_price: int
    l1_fee: int
    logs: tuple[Log, ...]

    @property
    def fee(self) -> int:
        """The network fee in wei."""
        return self.gas_used * self.gas_price + self.l1_fee


@dataclass(frozen=True, slots=True)
class GasPrices:
    """What gas costs now, in wei per gas: the base fee of the latest block, and the tip that gets in soon."""

    base_fee: int
    tip: int
