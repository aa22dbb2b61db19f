"""Receipt tries built by the tests' own hand, with the ``rlp`` library, so that they judge the product's reader.

``Trie`` holds keys and values; ``root`` and ``path(key)`` are by the yellow paper's appendix D, written recursively
from its definition. ``receipt_bytes`` and ``header_bytes`` make from a node's JSON what a block holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import rlp
from eth_utils.crypto import keccak

from strongroom_core.proof_messages import ReceiptProof

Path = tuple[int, ...]  # of nibbles

# In the order of the forks that brought them, behind the fifteen that every header has.
FIELDS = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom", "difficulty"),
    *("number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce", "baseFeePerGas"),
    *("withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash"),
)
NUMBERS = {
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas")
}


@dataclass(frozen=True)
class Trie:
    """A Merkle-Patricia trie of these entries; keys are whole bytes, none is empty."""

    entries: Mapping[bytes, bytes]
    made: dict[Path, Any] = field(default_factory=dict, compare=False)

    @property
    def root(self) -> bytes:
        return bytes(keccak(rlp.encode(self._node(_by_nibbles(self.entries), ()))))

    def path(self, key: bytes) -> list[bytes]:
        """The nodes from the root to the one that holds ``key``, those that stand in their parent left out."""
        here, left = _by_nibbles(self.entries), _nibbles(key)
        at: Path = ()
        found: list[bytes] = []
        while True:
            raw = rlp.encode(self._node(here, at))
            if not found or len(raw) >= 32:
                found.append(raw)
            step = _shared(list(here)) or left[:1]
            if len(here) == 1 or not step:
                return found
            here, left, at = _below(here, step), left[len(step) :], at + step

    def _node(self, here: dict[Path, bytes], at: Path) -> Any:
        """The node of the entries below ``at``; each is made once."""
        if at not in self.made:
            self.made[at] = self._make(here, at)
        return self.made[at]

    def _make(self, here: dict[Path, bytes], at: Path) -> Any:
        if not here:
            return b""
        if len(here) == 1:
            [(path, value)] = here.items()
            return [_compact(path, leaf=True), value]
        shared = _shared(list(here))
        if shared:
            return [_compact(shared, leaf=False), self._reference(_below(here, shared), at + shared)]
        children = [self._reference(_below(here, (nibble,)), (*at, nibble)) for nibble in range(16)]
        return [*children, here.get((), b"")]

    def _reference(self, here: dict[Path, bytes], at: Path) -> Any:
        node = self._node(here, at)
        raw = rlp.encode(node)
        return keccak(raw) if len(raw) >= 32 else node


def _below(here: dict[Path, bytes], path: Path) -> dict[Path, bytes]:
    return {key[len(path) :]: value for key, value in here.items() if key[: len(path)] == path}


def _by_nibbles(entries: Mapping[bytes, bytes]) -> dict[Path, bytes]:
    return {_nibbles(key): value for key, value in entries.items()}


def _nibbles(data: bytes) -> Path:
    return tuple(int(digit, 16) for digit in data.hex())


def _shared(paths: Sequence[Path]) -> Path:
    first, last = min(paths), max(paths)
    length = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(map(len, paths)))
    return first[:length]


def _compact(path: Path, *, leaf: bool) -> bytes:
    odd = len(path) % 2
    digits = [2 * leaf + odd, *([] if odd else [0]), *path]
    return bytes.fromhex("".join(f"{digit:x}" for digit in digits))


def number_bytes(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def receipt_bytes(receipt: Mapping[str, Any]) -> bytes:
    """What the trie holds for a receipt of a node's JSON (EIP-2718)."""
    logs = [[_raw(log["address"]), list(map(_raw, log["topics"])), _raw(log["data"])] for log in receipt["logs"]]
    status, gas = (number_bytes(int(receipt[name], 16)) for name in ("status", "cumulativeGasUsed"))
    kind = number_bytes(int(receipt.get("type", "0x0"), 16))
    return bytes(kind + rlp.encode([status, gas, bloom_of(logs), logs]))


def bloom_of(logs: Sequence[Sequence[Any]]) -> bytes:
    """The bloom filter of logs (yellow paper 4.3.1)."""
    bits = 0
    for address, topics, _ in logs:
        for item in (address, *topics):
            digest = keccak(item)
            for at in (0, 2, 4):
                bits |= 1 << (int.from_bytes(digest[at : at + 2], "big") & 2047)
    return bits.to_bytes(256, "big")


def header_bytes(block: Mapping[str, Any]) -> bytes:
    """The header of a node's JSON block, in RLP."""
    names = [name for name in FIELDS if name in block]
    return bytes(
        rlp.encode([number_bytes(int(block[name], 16)) if name in NUMBERS else _raw(block[name]) for name in names])
    )


def trie_of(receipts: Sequence[bytes]) -> Trie:
    return Trie({rlp.encode(number_bytes(position)): raw for position, raw in enumerate(receipts)})


def _raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


@dataclass(frozen=True)
class MadeBlock:
    """A block of receipts that no chain ever had; every field of its header can be chosen."""

    receipts: tuple[bytes, ...]
    fields: tuple[bytes, ...] = ()
    number: int = 7
    timestamp: int = 1_800_000_000

    @cached_property
    def trie(self) -> Trie:
        return trie_of(self.receipts)

    @cached_property
    def header(self) -> bytes:
        start = [bytes(32), bytes(32), bytes(20), bytes(32), bytes(32), self.trie.root, bytes(256), b""]
        behind = [number_bytes(self.timestamp), b"extra", bytes(32), bytes(8)]
        return bytes(rlp.encode([*start, number_bytes(self.number), b"\1", b"\1", *behind, *self.fields]))

    @cached_property
    def hash(self) -> bytes:
        return bytes(keccak(self.header))

    def proof(self, position: int, log: int = 0, **changes: Any) -> ReceiptProof:
        nodes = self.trie.path(rlp.encode(number_bytes(position)))
        made = ReceiptProof(self.header, position, rlp.encode(nodes), log, 2, 0)
        return replace(made, **changes)
