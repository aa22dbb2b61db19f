"""The Merkle-Patricia trie of a block's receipts: its root, and the nodes that prove one of them.

Source: yellow paper, appendices C (hex-prefix) and D (the trie). Keys are the RLP of the places 0, 1, 2 …; none of them
begins another one, so that no branch holds a value of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

import rlp

from strongroom.chains.ethereum.keccak import keccak

HASH_BYTES: Final = 32
_CHILDREN: Final = 16
_LEAF: Final = 2
_ODD: Final = 1
_Nibbles = tuple[int, ...]
_Entry = tuple[_Nibbles, bytes]


@dataclass(frozen=True, slots=True)
class _Node:
    """A node: what its parent holds of it, its RLP, and those below it by the nibbles that lead there."""

    reference: Any
    raw: bytes
    below: Mapping[_Nibbles, _Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReceiptTrie:
    """The trie of the values at the places 0 to ``len - 1``; at least one."""

    top: _Node

    @classmethod
    def of(cls, values: Sequence[bytes]) -> ReceiptTrie:
        """Build it. Raises ``ValueError`` for no values."""
        if not values:
            message = "a block without receipts has no trie of them"
            raise ValueError(message)
        return cls(_make(sorted((_key(place), value) for place, value in enumerate(values)), 0))

    @property
    def root(self) -> bytes:
        """The 32 bytes that stand in the block's header."""
        return keccak(self.top.raw)

    def path(self, place: int) -> list[bytes]:
        """Give the nodes from the root to the value at a place; those that stand within their parent are left out."""
        left, node, found = _key(place), self.top, [self.top.raw]
        while node.below:
            step = next(step for step in node.below if left[: len(step)] == step)
            node, left = node.below[step], left[len(step) :]
            if isinstance(node.reference, bytes):
                found.append(node.raw)
        return found


def _make(entries: Sequence[_Entry], at: int) -> _Node:
    """Make the node of entries, sorted, that all share their first ``at`` nibbles."""
    first, last = entries[0][0], entries[-1][0]
    if len(entries) == 1:
        return _node([_compact(first[at:], _LEAF), entries[0][1]])
    end = next(place for place in range(at, len(first)) if first[place] != last[place])
    if end > at:
        child = _make(entries, end)
        return _node([_compact(first[at:end], 0), child.reference], {first[at:end]: child})
    groups = groupby(entries, key=lambda entry: entry[0][at])
    children: dict[_Nibbles, _Node] = {(nibble,): _make(list(group), at + 1) for nibble, group in groups}
    references = [children[(n,)].reference if (n,) in children else b"" for n in range(_CHILDREN)]
    return _node([*references, b""], children)


def _node(items: list[Any], below: Mapping[_Nibbles, _Node] | None = None) -> _Node:
    raw = bytes(rlp.encode(items))
    return _Node(keccak(raw) if len(raw) >= HASH_BYTES else items, raw, below or {})


def _key(place: int) -> _Nibbles:
    return tuple(nibble for byte in rlp.encode(place) for nibble in (byte >> 4, byte & 15))


def _compact(path: _Nibbles, flag: int) -> bytes:
    odd = len(path) % 2
    digits = (flag + odd * _ODD, *(() if odd else (0,)), *path)
    return bytes(high << 4 | low for high, low in zip(digits[::2], digits[1::2], strict=True))
