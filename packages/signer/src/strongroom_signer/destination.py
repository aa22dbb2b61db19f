"""Address text to script; the signer makes every script itself.

Base58Check for P2PKH and P2SH; BIP 173 for witness version 0 and BIP 350 for versions 1 to 16. embit's own
``address_to_scriptpubkey`` is not used: it takes an address of any network and knows no version above 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from embit import base58, bech32

from strongroom_signer.errors import DestinationError

if TYPE_CHECKING:
    from strongroom_signer.chains import ChainParameters

MAX_ADDRESS_CHARACTERS: Final = 90
_HASH_BYTES: Final = 20
_OP_1_MINUS_1: Final = 0x50


def script_of(address: str, chain: ChainParameters) -> bytes:
    """Give the output script that pays ``address`` on ``chain``. Raises ``DestinationError``."""
    if not 0 < len(address) <= MAX_ADDRESS_CHARACTERS or not address.isascii():
        message = f"an address has 1 to {MAX_ADDRESS_CHARACTERS} ASCII characters"
        raise DestinationError(message)
    if address.lower().startswith(chain.hrp + "1"):
        return _segwit(address, chain)
    return _base58(address, chain)


def _segwit(address: str, chain: ChainParameters) -> bytes:
    # An empty data part makes embit's decoder raise IndexError; it reads beyond what it checked.
    try:
        version, program = bech32.decode(chain.hrp, address)
    except IndexError:
        version, program = None, None
    if version is None:
        message = f"not a valid {chain.hrp}1… address: a character is wrong (BIP 173, BIP 350)"
        raise DestinationError(message)
    opcode = version + _OP_1_MINUS_1 if version else 0
    return bytes([opcode, len(program)]) + bytes(program)


def _base58(address: str, chain: ChainParameters) -> bytes:
    try:
        data = bytes(base58.decode_check(address))
    except (ValueError, IndexError):
        message = f"not an address of {chain.chain.name}"
        raise DestinationError(message) from None
    if len(data) != 1 + _HASH_BYTES or base58.encode_check(data) != address:
        message = f"not an address of {chain.chain.name}"
        raise DestinationError(message)
    if data[0] in chain.p2pkh:
        return b"\x76\xa9\x14" + data[1:] + b"\x88\xac"
    if data[0] in chain.p2sh:
        return b"\xa9\x14" + data[1:] + b"\x87"
    message = f"an address of another chain than {chain.chain.name}"
    raise DestinationError(message)
