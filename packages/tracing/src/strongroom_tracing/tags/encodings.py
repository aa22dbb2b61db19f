"""Address encodings, decoded with their checks. Every function gives None for what is not of its encoding.

Sources: Base58Check (Bitcoin wiki; the alphabet of XRP is XRPL's own), BIP-173 and BIP-350 (bech32, bech32m), EIP-55,
the CashAddr specification of Bitcoin Cash, CryptoNote's address format with Monero's block-wise base58
(docs.getmonero.org).
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from Crypto.Hash import keccak
from embit import bech32

_BITCOIN_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_XRP_ALPHABET: Final = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
_TO_BITCOIN: Final = str.maketrans(_XRP_ALPHABET, _BITCOIN_ALPHABET)
_DIGITS: Final = {letter: value for value, letter in enumerate(_BITCOIN_ALPHABET)}
_CHECK_BYTES: Final = 4
_LONGEST: Final = 256  # no address is longer; bounds the work on a hostile list
_EVM: Final = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_CASHADDR_ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_CASHADDR_GENERATOR: Final = (0x98F2BC8E61, 0x79B76D99E2, 0xF33E5FB3C4, 0xAE2EABE2A8, 0x1E4F43E470)
# Bytes of a block of Monero's base58, by its letters.
_MONERO_BLOCKS: Final = {2: 1, 3: 2, 5: 3, 6: 4, 7: 5, 9: 6, 10: 7, 11: 8}
_MONERO_BLOCK: Final = 11


def base58(text: str) -> bytes | None:
    """Decode plain base58 (Solana's addresses are 32 bytes of it)."""
    if not text or len(text) > _LONGEST or any(letter not in _DIGITS for letter in text):
        return None
    number = 0
    for letter in text:
        number = number * 58 + _DIGITS[letter]
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def base58_check(text: str) -> bytes | None:
    """Decode Base58Check: version and payload, where the double SHA-256 fits."""
    raw = base58(text)
    if raw is None or len(raw) <= _CHECK_BYTES:
        return None
    payload, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    return payload if _double_sha256(payload)[:_CHECK_BYTES] == check else None


def to_base58_check(payload: bytes) -> str:
    """Encode version and payload."""
    raw = payload + _double_sha256(payload)[:_CHECK_BYTES]
    number, letters = int.from_bytes(raw, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        letters = _BITCOIN_ALPHABET[digit] + letters
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + letters


def xrp(text: str) -> bytes | None:
    """Decode an address of the XRP ledger: Base58Check in its own alphabet."""
    if any(letter not in _XRP_ALPHABET for letter in text):
        return None
    return base58_check(text.translate(_TO_BITCOIN))


def segwit(prefix: str, text: str) -> str | None:
    """Give a witness address in lower case; BIP-173 refuses mixed case."""
    version, _program = bech32.decode(prefix, text)
    return None if version is None else text.lower()


def plain_bech32(prefix: str, text: str) -> str | None:
    """Give an address of bech32 that holds no witness program (BNB Beacon Chain), in lower case."""
    encoding, found, _data = bech32.bech32_decode(text)
    return text.lower() if encoding is not None and found == prefix else None


def evm(text: str) -> str | None:
    """Give an address in lower case. Mixed case must be the checksum of EIP-55; one case alone carries none."""
    if not _EVM.fullmatch(text):
        return None
    digits = text[2:]
    if digits in (digits.lower(), digits.upper()) or digits == _checksummed(digits.lower()):
        return text.lower()
    return None


def looks_evm(text: str) -> bool:
    """Whether it has the form of an EVM address, whatever its checksum."""
    return _EVM.fullmatch(text) is not None


def cashaddr(text: str) -> bytes | None:
    """Decode a CashAddr (``bitcoincash:`` may be left out): Bitcoin's version byte (0 or 5) and the 20-byte hash."""
    if text not in (text.lower(), text.upper()) or len(text) > _LONGEST:
        return None
    body = text.lower().removeprefix("bitcoincash:")
    values = [_CASHADDR_ALPHABET.find(letter) for letter in body]
    prefix = [ord(letter) & 31 for letter in "bitcoincash"]
    if -1 in values or _cash_polymod([*prefix, 0, *values]) != 0:
        return None
    payload = _regroup(values[:-8])
    versions = {0: b"\x00", 8: b"\x05"}  # type bits of the version byte, size bits 0: a hash of 160 bits
    if len(payload) != 21 or payload[0] not in versions:  # noqa: PLR2004 -- a version byte and 20 bytes of hash
        return None
    return versions[payload[0]] + payload[1:]


def monero(text: str) -> bytes | None:
    """Decode a Monero address: network byte and keys, where the first 4 bytes of keccak-256 fit."""
    if len(text) > _LONGEST:
        return None
    decoded = [_monero_block(text[at : at + _MONERO_BLOCK]) for at in range(0, len(text), _MONERO_BLOCK)]
    raw = b"".join(block for block in decoded if block is not None)
    if None in decoded or len(raw) <= _CHECK_BYTES:
        return None
    payload, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    return payload if _keccak(payload)[:_CHECK_BYTES] == check else None


def _monero_block(letters: str) -> bytes | None:
    size, number = _MONERO_BLOCKS.get(len(letters)), 0
    for letter in letters:
        if letter not in _DIGITS:
            return None
        number = number * 58 + _DIGITS[letter]
    if size is None or number >= 1 << 8 * size:
        return None
    return number.to_bytes(size, "big")


def _checksummed(lower: str) -> str:
    marks = _keccak(lower.encode("ascii")).hex()
    return "".join(
        digit.upper() if int(mark, 16) >= 8 else digit  # noqa: PLR2004 -- EIP-55: the nibble's high bit
        for digit, mark in zip(lower, marks, strict=False)
    )


def _cash_polymod(values: list[int]) -> int:
    state = 1
    for value in values:
        high = state >> 35
        state = ((state & 0x07FFFFFFFF) << 5) ^ value
        for bit, generator in enumerate(_CASHADDR_GENERATOR):
            if high >> bit & 1:
                state ^= generator
    return state ^ 1


def _regroup(fives: list[int]) -> bytes:
    number = 0
    for value in fives:
        number = number << 5 | value
    bits = 5 * len(fives)
    return (number >> bits % 8).to_bytes(bits // 8, "big")


def _double_sha256(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()
