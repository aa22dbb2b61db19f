"""Merkle-Patricia proofs (yellow paper, appendix D): that a trie with this root holds this value under this key.

Read strictly: a node that no honest trie has (an odd prefix, an empty path, a short node by its hash) is refused, and
so is a proof with a node more than the path needs. What is proven is presence only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strongroom_signer import rlp
from strongroom_signer.keccak import keccak256
from strongroom_signer.rlp import RlpError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom_signer.rlp import Item

HASH_BYTES: Final = 32
BRANCH_ITEMS: Final = 17
PAIR_ITEMS: Final = 2
_LEAF: Final = 2
_ODD: Final = 1


class TrieError(RlpError):
    """Nodes that do not prove what is claimed."""

    code = "trie-invalid"


def prove(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes:
    """Give the value under ``key`` in the trie of ``root`` (32 bytes), by its nodes from the root to the leaf.

    Raises ``RlpError`` where a node is malformed, ``TrieError`` where the nodes do not lead from root to value.
    """
    return _Walk(list(nodes), _nibbles(key)).value(root)


class _Walk:
    """One way down: ``nodes`` are those that were not used yet, ``left`` the nibbles that are still to go."""

    def __init__(self, nodes: list[bytes], left: list[int]) -> None:
        self.nodes = nodes
        self.left = left

    def value(self, root: bytes) -> bytes:
        node, in_extension = self._hashed(root, root=True), False
        while True:
            found = self._step(node, after_extension=in_extension)
            if isinstance(found, bytes):
                break
            in_extension = len(node) == PAIR_ITEMS
            node = found
        if self.nodes:
            message = f"{len(self.nodes)} nodes stand behind the one with the value"
            raise TrieError(message)
        return found

    def _step(self, node: list[Item], *, after_extension: bool) -> bytes | list[Item]:
        """Go down by one node: the value, or the next node."""
        if len(node) == BRANCH_ITEMS:
            return self._branch(node)
        if len(node) != PAIR_ITEMS or after_extension:
            message = "a node is a branch of 17 items, a leaf or an extension of 2; an extension leads to a branch"
            raise TrieError(message)
        return self._pair(node)

    def _branch(self, node: list[Item]) -> bytes | list[Item]:
        if not self.left:
            return self._found(node[-1])
        return self._child(node[self.left.pop(0)])

    def _pair(self, node: list[Item]) -> bytes | list[Item]:
        path, leaf = _path(rlp.as_bytes(node[0]))
        if self.left[: len(path)] != path or (leaf and len(path) != len(self.left)):
            message = "the path leads elsewhere: the trie does not hold the key"
            raise TrieError(message)
        del self.left[: len(path)]
        return self._found(node[1]) if leaf else self._child(node[1])

    def _found(self, item: Item) -> bytes:
        value = rlp.as_bytes(item)
        if not value:
            message = "the trie holds nothing under the key"
            raise TrieError(message)
        return value

    def _child(self, item: Item) -> list[Item]:
        if isinstance(item, bytes):
            return self._hashed(rlp.as_bytes(item, HASH_BYTES))
        if len(rlp.encode(item)) >= HASH_BYTES:
            message = "a node of 32 bytes or more stands within another; its hash belongs there"
            raise TrieError(message)
        return item

    def _hashed(self, reference: bytes, *, root: bool = False) -> list[Item]:
        raw = self.nodes.pop(0) if self.nodes else b""
        if keccak256(raw) != reference or (len(raw) < HASH_BYTES and not root):
            message = f"the node of hash {reference.hex()} is missing"
            raise TrieError(message)
        return rlp.decode_list(raw)


def _path(compact: bytes) -> tuple[list[int], bool]:
    """Read a hex-prefix path (appendix C): its nibbles, and whether it is a leaf's."""
    nibbles = _nibbles(compact)
    if not nibbles or nibbles[0] > _LEAF + _ODD or (not nibbles[0] & _ODD and nibbles[1]):
        message = "a path of a node does not begin as one (hex-prefix encoding)"
        raise TrieError(message)
    leaf = bool(nibbles[0] & _LEAF)
    path = nibbles[1 if nibbles[0] & _ODD else 2 :]
    if not path and not leaf:
        message = "an extension without a path"
        raise TrieError(message)
    return path, leaf


def _nibbles(data: bytes) -> list[int]:
    return [nibble for byte in data for nibble in (byte >> 4, byte & 15)]
