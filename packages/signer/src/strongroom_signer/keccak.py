"""Keccak-256 as Ethereum has it: the padding from before SHA-3 was standardised (so not ``hashlib.sha3_256``)."""

from __future__ import annotations

from Crypto.Hash import keccak


def keccak256(data: bytes) -> bytes:
    """Give the 32 bytes of keccak-256."""
    return keccak.new(digest_bits=256, data=data).digest()
