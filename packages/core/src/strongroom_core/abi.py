"""The words that EVM calldata is made of: 32 bytes each, big-endian, padded with zero bytes (Solidity's ABI).

Also the text of addresses (EIP-55). Core holds no cryptography: who wants a checksum brings keccak-256.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from strongroom_core.errors import InvalidValueError

Keccak = Callable[[bytes], bytes]

ADDRESS_BYTES: Final = 20
WORD: Final = 32
MAX_UINT256: Final = 2**256 - 1
# Nodes relay a chain tx of at most 128 KiB; execTransaction's head and the signatures need some of it.
MAX_DATA_BYTES: Final = 120_000
_ADDRESS_TEXT: Final = re.compile(r"0x[0-9a-fA-F]{40}")
# EIP-55: a letter is a capital where the hash's digit in its place is 8 or more.
_CAPITAL_FROM: Final = 8


class InvalidCallError(InvalidValueError):
    """Bytes or values that are no Safe transaction, call or address of the one form that we write."""

    code = "call-malformed"


def word(value: int) -> bytes:
    """Give an unsigned integer as one word."""
    return value.to_bytes(WORD, "big")


def padded(address: bytes) -> bytes:
    """Give an address as one word."""
    return bytes(WORD - ADDRESS_BYTES) + address


def tail(data: bytes) -> bytes:
    """Give ``bytes`` as it stands behind the heads: length, the bytes, zeros up to a whole word."""
    return word(len(data)) + data + bytes(-len(data) % WORD)


def read_tail(data: bytes, at: int) -> bytes:
    """Read the ``bytes`` whose length stands at ``at``; the padding is not looked at. Raises ``InvalidCallError``."""
    length = int.from_bytes(data[at : at + WORD], "big")
    if at + WORD + length > len(data):
        message = "the calldata points beyond its end"
        raise InvalidCallError(message)
    return data[at + WORD : at + WORD + length]


def pair(selector: bytes, address: bytes, amount: int) -> bytes:
    """Give the calldata of a function of an address and a uint256. Raises ``InvalidCallError``."""
    check_address("address", address)
    check_uint("amount", amount, MAX_UINT256)
    return selector + padded(address) + word(amount)


def read_pair(selector: bytes, data: bytes) -> tuple[bytes, int]:
    """Read what ``pair`` wrote, and nothing else. Raises ``InvalidCallError``."""
    start = len(selector)
    address, amount = data[start + WORD - ADDRESS_BYTES : start + WORD], int.from_bytes(data[start + WORD :], "big")
    if len(data) != start + 2 * WORD or selector + padded(address) + word(amount) != data:
        message = f"not a canonical call of {selector.hex()}(address,uint256)"
        raise InvalidCallError(message)
    return address, amount


def read_words(selector: bytes, types: tuple[str, ...], data: bytes) -> tuple[bytes | int, ...]:
    """Read the arguments of a function whose types are all ``address`` or ``uint256``, as a strict encoder wrote them.

    Raises ``InvalidCallError`` where a byte is missing, too many, or not zero in an address's padding.
    """
    start = len(selector)
    words = [data[at : at + WORD] for at in range(start, start + len(types) * WORD, WORD)]
    clean = all(
        not any(item[: WORD - ADDRESS_BYTES]) for item, kind in zip(words, types, strict=True) if kind == "address"
    )
    if not clean or not data.startswith(selector) or len(data) != start + len(types) * WORD:
        message = f"not a canonical call of {selector.hex()}({','.join(types)})"
        raise InvalidCallError(message)
    return tuple(
        item[-ADDRESS_BYTES:] if kind == "address" else int.from_bytes(item, "big")
        for item, kind in zip(words, types, strict=True)
    )


def address_text(address: bytes, keccak: Keccak) -> str:
    """Write an address with the mixed case of EIP-55. Raises ``InvalidCallError``."""
    check_address("address", address)
    digits = address.hex()
    marks = keccak(digits.encode("ascii")).hex()[: len(digits)]
    pairs = zip(digits, marks, strict=True)
    return "0x" + "".join(digit.upper() if int(mark, 16) >= _CAPITAL_FROM else digit for digit, mark in pairs)


def parse_address(text: str, keccak: Keccak) -> bytes:
    """Read ``0x`` and 40 hex digits: in lower case, or in the mixed case whose checksum is right (EIP-55).

    Capitals only are taken where they are the checksum. Raises ``InvalidCallError``.
    """
    if not _ADDRESS_TEXT.fullmatch(text):
        message = "an address is 0x and 40 hex digits"
        raise InvalidCallError(message)
    address = bytes.fromhex(text[2:])
    if text[2:] not in {address.hex(), address_text(address, keccak)[2:]}:
        message = "the capitals of the address are not its checksum (EIP-55); a character is wrong"
        raise InvalidCallError(message)
    return address


def check_address(name: str, value: object) -> None:
    """Refuse anything but 20 bytes. Raises ``InvalidCallError``."""
    if type(value) is not bytes or len(value) != ADDRESS_BYTES:
        message = f"{name} must be an address of {ADDRESS_BYTES} bytes"
        raise InvalidCallError(message)


def check_uint(name: str, value: object, high: int) -> None:
    """Refuse anything but an integer from 0 to ``high``. Raises ``InvalidCallError``."""
    if type(value) is not int or not 0 <= value <= high:
        message = f"{name} must be an integer from 0 to {high}"
        raise InvalidCallError(message)


def check_data(data: object) -> None:
    """Refuse anything but calldata that fits into a chain tx. Raises ``InvalidCallError``."""
    if type(data) is not bytes or len(data) > MAX_DATA_BYTES:
        message = f"calldata has at most {MAX_DATA_BYTES} bytes"
        raise InvalidCallError(message)
