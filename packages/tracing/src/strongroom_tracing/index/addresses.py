"""Scripts as text addresses and back.

Sources: BIP 13, 16 (base58), BIP 141, 173, 350 (witness programs, of every version), SLIP-173 (prefixes), Litecoin's
and Bitcoin's ``chainparams.cpp``. A script that has no address is written ``script:`` and its hex digits; one
of more than ``LONGEST_WRITTEN`` bytes (they may have 100 kB) ``script-sha256:`` and the hex digits of its SHA-256.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from embit import base58, bech32
from embit.base import EmbitError

from strongroom_core.assets import (
    BITCOIN,
    BITCOIN_REGTEST,
    BITCOIN_SIGNET,
    BITCOIN_TESTNET,
    LITECOIN,
    LITECOIN_REGTEST,
)

SCRIPT_PREFIX: Final = "script:"
HASHED_PREFIX: Final = "script-sha256:"
LONGEST_WRITTEN: Final = 200  # bytes
_HASHED: Final = re.compile(re.escape(HASHED_PREFIX) + "([0-9a-f]{64})", re.IGNORECASE)
_HASH_BYTES = 20
_P2PKH = (b"\x76\xa9\x14", b"\x88\xac")
_P2SH = (b"\xa9\x14", b"\x87")
_OP_1, _OP_16 = 0x51, 0x60
_PROGRAM_BYTES = range(2, 41)


@dataclass(frozen=True, slots=True)
class Network:
    """How a chain writes its addresses; the first of ``p2sh`` is written, the others are read too."""

    p2pkh: bytes
    p2sh: tuple[bytes, ...]
    prefix: str


_TEST: Final = Network(b"\x6f", (b"\xc4",), "tb")
_NETWORKS: Final = {
    BITCOIN.id: Network(b"\x00", (b"\x05",), "bc"),
    BITCOIN_TESTNET.id: _TEST,
    BITCOIN_SIGNET.id: _TEST,
    BITCOIN_REGTEST.id: Network(b"\x6f", (b"\xc4",), "bcrt"),
    LITECOIN.id: Network(b"\x30", (b"\x32", b"\x05"), "ltc"),
    LITECOIN_REGTEST.id: Network(b"\x6f", (b"\x3a", b"\xc4"), "rltc"),
}


def network_of(chain: str) -> Network:
    """Give how a chain, named by its CAIP-2 id, writes addresses.

    A chain that is not known here is taken for a test network.
    """
    return _NETWORKS.get(chain, _TEST)


def address_of(script: bytes, network: Network) -> str:
    """Write a script as the address that wallets show; where it has none as hex, or by its SHA-256 if it is long."""
    program = _witness_program(script)
    if program is not None:
        text = bech32.encode(network.prefix, program[0], program[1])
        if text is not None:
            return str(text)
    for (before, after), version in ((_P2PKH, network.p2pkh), (_P2SH, network.p2sh[0])):
        own = script[len(before) : -len(after)]
        if len(own) == _HASH_BYTES and script == own.join((before, after)):
            return str(base58.encode_check(version + own))
    if len(script) > LONGEST_WRITTEN:
        return HASHED_PREFIX + hashlib.sha256(script).hexdigest()
    return SCRIPT_PREFIX + script.hex()


def hash_of(text: str) -> bytes | None:
    """Read the SHA-256 of a script that is written by it; None for any other text."""
    match = _HASHED.fullmatch(text)
    return bytes.fromhex(match[1]) if match else None


def script_of(text: str, network: Network) -> bytes | None:
    """Read an address, or ``script:`` and hex, of a network.

    None for what is no such address (also of another network).
    """
    try:
        if text.startswith(SCRIPT_PREFIX):
            return bytes.fromhex(text.removeprefix(SCRIPT_PREFIX))
        if text.lower().startswith(network.prefix + "1"):
            return _witness_script(text, network)
        return _base58_script(bytes(base58.decode_check(text)), network)
    except (EmbitError, ValueError):
        return None


def _base58_script(data: bytes, network: Network) -> bytes | None:
    version, own = data[:1], data[1:]
    if len(own) != _HASH_BYTES:
        return None
    if version == network.p2pkh:
        return own.join(_P2PKH)
    return own.join(_P2SH) if version in network.p2sh else None


def _witness_program(script: bytes) -> tuple[int, bytes] | None:
    if len(script) - 2 not in _PROGRAM_BYTES or script[1] != len(script) - 2:
        return None
    if script[0] == 0:
        return 0, script[2:]
    return (script[0] - _OP_1 + 1, script[2:]) if _OP_1 <= script[0] <= _OP_16 else None


def _witness_script(text: str, network: Network) -> bytes | None:
    version, program = bech32.decode(network.prefix, text)
    if version is None or program is None:
        return None
    return bytes([version + _OP_1 - 1 if version else 0, len(program)]) + bytes(program)
