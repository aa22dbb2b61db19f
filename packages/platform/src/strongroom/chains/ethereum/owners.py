"""Signing as a Safe's owner with the key in hand: for the demonstration's cold ceremony, for tests and benchmarks.

In operation no key of an owner is ever where this code runs: the signers and the offline owners sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from eth_keys.datatypes import PrivateKey

ETHEREUM_V: Final = 27  # what Safe's `checkSignatures` expects above the parity for a plain EIP-712 signature


def owner_address(key: bytes) -> bytes:
    """Give the address of a private key of 32 bytes."""
    return PrivateKey(key).public_key.to_canonical_address()


def owner_signatures(digest: bytes, keys: Sequence[bytes]) -> bytes:
    """Sign a safeTxHash with each key; 65 bytes each (r, s, v), by ascending owner address as the Safe wants them."""
    return b"".join(_signature(digest, key) for key in sorted(keys, key=owner_address))


def _signature(digest: bytes, key: bytes) -> bytes:
    signature = PrivateKey(key).sign_msg_hash(digest)
    r, s, v = int(signature.r), int(signature.s), int(signature.v)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v + ETHEREUM_V])
