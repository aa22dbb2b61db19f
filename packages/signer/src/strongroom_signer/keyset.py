"""Key sets: the scripts of ``wsh(sortedmulti(2, A, B, R))`` from three account keys, and where a script stands in them.

A script is ours only if it comes out of our own derivation. Branches: 0 change, 1 house, 2 + n merchant n.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from strongroom_signer.curve import HARDENED, PublicNode, parse_public_node
from strongroom_signer.errors import KeySetError

KEYS: Final = 3
REQUIRED: Final = 2
CHANGE_BRANCH: Final = 0
HOUSE_BRANCH: Final = 1
FIRST_MERCHANT_BRANCH: Final = 2
HOT: Final = "hot"
COLD: Final = "cold"
# Nodes kept per key set; a request touches few branches, and a hostile one must not fill the memory.
MAX_CACHED_BRANCHES: Final = 4096
_ORIGIN: Final = re.compile(r"\[([0-9a-f]{8})((?:/[0-9]{1,10}(?:h|'))+)\]([1-9A-HJ-NP-Za-km-z]{100,120})")
_OP_CHECKMULTISIG: Final = 0xAE


@dataclass(frozen=True, slots=True)
class AccountKey:
    """One account's public key with its origin: the master's fingerprint and the hardened path to the account."""

    fingerprint: bytes
    path: tuple[int, ...]
    node: PublicNode

    @classmethod
    def parse(cls, text: str, *, test: bool, path: tuple[int, ...]) -> AccountKey:
        """Read ``[fingerprint/48h/coinh/0h/2h]xpub``. Raises ``KeySetError``."""
        match = _ORIGIN.fullmatch(text)
        if match is None:
            message = "an account key is written [fingerprint/48h/coinh/0h/2h]xpub…"
            raise KeySetError(message)
        steps = tuple(HARDENED + int(step[:-1]) for step in match.group(2)[1:].split("/"))
        if steps != path:
            message = f"an account key of this chain has the path {path_text(path)}"
            raise KeySetError(message)
        return cls(bytes.fromhex(match.group(1)), steps, parse_public_node(match.group(3), test=test))

    def text(self, *, test: bool) -> str:
        """Write it back, in the one spelling that ``parse`` reads."""
        return f"[{self.fingerprint.hex()}/{path_text(self.path)}]{self.node.text(test=test)}"


def path_text(path: tuple[int, ...]) -> str:
    """Write a hardened path: ``48h/1h/0h/2h``."""
    return "/".join(f"{step - HARDENED}h" for step in path)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one of our scripts stands: ``hot`` or ``cold``, branch, index."""

    key_set: str
    branch: int
    index: int


@dataclass(frozen=True, slots=True)
class KeySet:
    """Three account keys of which two sign."""

    name: str
    keys: tuple[AccountKey, ...]
    _branches: dict[int, tuple[PublicNode, ...]] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse any number of keys but three, and equal keys. Raises ``KeySetError``."""
        if len(self.keys) != KEYS:
            message = f"the {self.name} key set has {KEYS} keys, not {len(self.keys)}"
            raise KeySetError(message)
        if len({key.node.public_key for key in self.keys}) != KEYS:
            message = f"the {self.name} key set names one key twice; every signer needs a key of its own"
            raise KeySetError(message)
        if len({key.fingerprint for key in self.keys}) != KEYS:
            message = f"the {self.name} key set names one master key twice; every signer needs a key of its own"
            raise KeySetError(message)

    def witness_script(self, branch: int, index: int) -> bytes:
        """Give the 2-of-3 script at ``branch/index``, keys sorted (BIP 67). Raises ``KeySetError`` out of range."""
        keys = sorted(node.child(index).public_key for node in self._branch(branch))
        pushes = b"".join(bytes([len(key)]) + key for key in keys)
        return bytes([0x50 + REQUIRED]) + pushes + bytes([0x50 + KEYS, _OP_CHECKMULTISIG])

    def script(self, branch: int, index: int) -> bytes:
        """Give the P2WSH output script at ``branch/index`` (BIP 141)."""
        return pay_to_witness_script(self.witness_script(branch, index))

    def _branch(self, branch: int) -> tuple[PublicNode, ...]:
        nodes = self._branches.get(branch)
        if nodes is None:
            nodes = tuple(key.node.child(branch) for key in self.keys)
            if len(self._branches) < MAX_CACHED_BRANCHES:
                self._branches[branch] = nodes
        return nodes


def pay_to_witness_script(witness_script: bytes) -> bytes:
    """Give the output script that pays the hash of ``witness_script`` (BIP 141, version 0)."""
    return b"\x00\x20" + hashlib.sha256(witness_script).digest()


def require_distinct(sets: tuple[KeySet, ...]) -> None:
    """Refuse a key that stands in two key sets. Raises ``KeySetError``."""
    keys = [key.node.public_key for key_set in sets for key in key_set.keys]
    if len(set(keys)) != len(keys):
        message = "one key stands in both the hot and the cold key set; each needs keys of its own"
        raise KeySetError(message)
