"""Addresses and output scripts of the bitcoin-likes.

Base58Check (P2PKH, P2SH), BIP 173 for witness version 0, BIP 350 for versions 1 to 16.
"""

from __future__ import annotations

from typing import Final

import wallycore

from strongroom.chains.bitcoin.parameters import BitcoinParameters, parameters_of
from strongroom.chains.errors import AddressError

MAX_ADDRESS_CHARACTERS: Final = 90
_P2PKH_HEAD, _P2PKH_TAIL = b"\x76\xa9\x14", b"\x88\xac"
_P2SH_HEAD, _P2SH_TAIL = b"\xa9\x14", b"\x87"
_P2PKH_BYTES, _P2SH_BYTES, _HASH_BYTES = 25, 23, 20
_OP_1, _OP_16 = 0x51, 0x60
_PROGRAM_BYTES_MIN, _PROGRAM_BYTES_MAX = 2, 40
_V0_PROGRAM_BYTES = (20, 32)


def address_to_script(chain_id: str, text: str) -> bytes:
    """Give the output script that pays an address. Raises ``AddressError`` unless it is one of this chain's."""
    chain = parameters_of(chain_id)
    if not 0 < len(text) <= MAX_ADDRESS_CHARACTERS or not text.isascii():
        message = f"an address has 1 to {MAX_ADDRESS_CHARACTERS} ASCII characters"
        raise AddressError(message)
    try:
        if text.lower().startswith(chain.hrp + "1"):
            return bytes(wallycore.addr_segwit_to_bytes(text, chain.hrp, 0))
        return _base58(chain, text)
    except ValueError:
        message = f"{text!r} is not an address of {chain.chain.name}; check every character"
        raise AddressError(message) from None


def _base58(chain: BitcoinParameters, text: str) -> bytes:
    data = bytes(wallycore.base58_to_bytes(text, wallycore.BASE58_FLAG_CHECKSUM))
    if len(data) != 1 + _HASH_BYTES:
        raise ValueError
    if data[0] == chain.p2pkh:
        return _P2PKH_HEAD + data[1:] + _P2PKH_TAIL
    if data[0] == chain.p2sh:
        return _P2SH_HEAD + data[1:] + _P2SH_TAIL
    raise ValueError


def script_to_address(chain_id: str, script: bytes) -> str | None:
    """Give the address that an output script has, or None where it has none (bare keys, multisig, OP_RETURN …)."""
    chain = parameters_of(chain_id)
    if len(script) == _P2PKH_BYTES and script.startswith(_P2PKH_HEAD) and script.endswith(_P2PKH_TAIL):
        return _to_base58(chain.p2pkh, script[3:23])
    if len(script) == _P2SH_BYTES and script.startswith(_P2SH_HEAD) and script.endswith(_P2SH_TAIL):
        return _to_base58(chain.p2sh, script[2:22])
    if _is_witness_program(script):
        return str(wallycore.addr_segwit_from_bytes(script, chain.hrp, 0))
    return None


def _to_base58(version: int, digest: bytes) -> str:
    return str(wallycore.base58_from_bytes(bytes([version]) + digest, wallycore.BASE58_FLAG_CHECKSUM))


def _is_witness_program(script: bytes) -> bool:
    size = len(script) - 2
    if not _PROGRAM_BYTES_MIN <= size <= _PROGRAM_BYTES_MAX or script[1] != size:
        return False
    return size in _V0_PROGRAM_BYTES if script[0] == 0 else _OP_1 <= script[0] <= _OP_16
