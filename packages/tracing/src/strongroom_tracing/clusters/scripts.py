"""Kinds of scripts: wallets send change to the kind that they spend from."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from strongroom_tracing.clusters.model import Settings
from strongroom_tracing.clusters.unowned import HasScripts, unowned_addresses

_P2PKH: Final = (25, b"\x76\xa9\x14", b"\x88\xac")
_P2SH: Final = (23, b"\xa9\x14", b"\x87")
_PROGRAMS: Final = {(0, 20): 5, (0, 32): 6, (1, 32): 7}
_NULL_DATA: Final = b"\x6a"
_MULTISIG: Final = b"\xae"

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


def known_settings(index: HasScripts) -> Settings:
    """Give the settings for a chain that everybody knows: coins of nobody, and whom Wasabi paid."""
    paid = (index.find_address(address) for address in WASABI_COORDINATORS)
    coordinators = tuple(sorted(number for number in paid if number is not None))
    return Settings(coordinators=coordinators, unowned=unowned_addresses(index))
