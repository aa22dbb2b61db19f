"""Kinds of scripts: wallets send change to the kind that they spend from."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Protocol

from strongroom_tracing.clusters.model import Settings

_P2PKH: Final = (25, b"\x76\xa9\x14", b"\x88\xac")
_P2SH: Final = (23, b"\xa9\x14", b"\x87")
_PROGRAMS: Final = {(0, 20): 5, (0, 32): 6, (1, 32): 7}
_NULL_DATA: Final = b"\x6a"
_MULTISIG: Final = b"\xae"

# Whoever sees such a coin may spend it: pay-to-anchor (Bitcoin Core 28, used by Lightning), OP_TRUE bare, as a witness
# program's and as a script's hash, and the empty script.
SPENT_BY_ANYBODY: Final = (
    bytes.fromhex("51024e73"),
    bytes.fromhex("51"),
    bytes.fromhex("00204ae81572f06e1b88fd5ced7a1a000945432e83e1551e6f721ee9c00b8cc33260"),
    bytes.fromhex("a914da1745e9b549bd0bfa1a569971c77eba30cd5a4b87"),
    b"",
)


# Whom Wasabi 1 paid its fee (Ficsór, WasabiVsSamourai; GraphSense's TagPack of Wasabi's collectors).
WASABI_COORDINATORS: Final = (
    "bc1qs604c7jv6amk4cxqlnvuxv26hv3e48cds4m0ew",
    "bc1qa24tsgchvuxsaccp8vrnkfd85hrcpafg20kmjw",
)


class ScriptKind(IntEnum):
    """What sort of lock a script is (Bitcoin's developer documentation; BIP 16, 141, 341)."""

    OTHER = 0
    KEY = 1  # a bare public key
    MULTISIG = 2  # bare
    KEY_HASH = 3
    SCRIPT_HASH = 4
    WITNESS_KEY_HASH = 5
    WITNESS_SCRIPT_HASH = 6
    TAPROOT = 7
    NULL_DATA = 8  # nobody can spend it


def kind_of_script(script: bytes) -> ScriptKind:
    """Say what sort of lock a script is."""
    if script[:1] == _NULL_DATA:
        return ScriptKind.NULL_DATA
    for (size, before, after), kind in ((_P2PKH, ScriptKind.KEY_HASH), (_P2SH, ScriptKind.SCRIPT_HASH)):
        if len(script) == size and script.startswith(before) and script.endswith(after):
            return kind
    if len(script) > 1 and script[1] == len(script) - 2:
        version = 0 if script[0] == 0 else script[0] - 0x50
        return ScriptKind(_PROGRAMS.get((version, script[1]), 0))
    if len(script) in {35, 67} and script[0] == len(script) - 2 and script[-1:] == b"\xac":
        return ScriptKind.KEY
    return ScriptKind.MULTISIG if script[-1:] == _MULTISIG else ScriptKind.OTHER


class FindsAddresses(Protocol):
    """What an index gives for this."""

    def find_address(self, text: str) -> int | None:
        """Find the number of an address."""


def known_settings(index: FindsAddresses) -> Settings:
    """Give the settings for a chain that everybody knows: coins of nobody, and whom Wasabi paid."""
    paid = (index.find_address(address) for address in WASABI_COORDINATORS)
    coordinators = tuple(sorted(number for number in paid if number is not None))
    return Settings(coordinators=coordinators, unowned=unowned_addresses(index))


def unowned_addresses(index: FindsAddresses) -> tuple[int, ...]:
    """Give the numbers of the addresses of a chain that anybody may spend from, for ``Settings.unowned``."""
    found = (index.find_address(f"script:{script.hex()}") for script in SPENT_BY_ANYBODY)
    return tuple(sorted(number for number in found if number is not None))
