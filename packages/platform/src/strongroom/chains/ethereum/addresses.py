"""Addresses of EVM chains: 20 bytes, which stand in the place of an output script; text as EIP-55 has it."""

from __future__ import annotations

from typing import Final

from strongroom.chains.errors import AddressError
from strongroom.chains.ethereum.keccak import keccak
from strongroom_core.abi import ADDRESS_BYTES, InvalidCallError, address_text, parse_address

_TEXT_LENGTH: Final = 42


def address_to_script(text: str) -> bytes:
    """Read an address: with a right checksum, or all of its letters small, or all capitals. Raises ``AddressError``."""
    digits = text[2:]
    plain = len(text) == _TEXT_LENGTH and text.startswith("0x") and digits == digits.upper()
    try:
        return parse_address("0x" + digits.lower() if plain else text, keccak)
    except InvalidCallError as error:
        raise AddressError(error.message) from None


def script_to_address(script: bytes) -> str | None:
    """Write an address with its checksum, or None where the bytes are no address."""
    return address_text(script, keccak) if len(script) == ADDRESS_BYTES else None
