"""Keccak-256, the hash of everything on an EVM chain."""

from __future__ import annotations

from Crypto.Hash import keccak as _keccak


def keccak(data: bytes) -> bytes:
    """Give the 32 bytes of Keccak-256 (the padding of before NIST's SHA-3)."""
    return _keccak.new(digest_bits=256, data=data).digest()
