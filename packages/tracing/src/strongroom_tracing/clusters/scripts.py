"""Kinds of scripts: wallets send change to the kind that they spend from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, Protocol

from embit import hashes

from strongroom_tracing.clusters.model import Settings

_P2PKH: Final = (25, b"\x76\xa9\x14", b"\x88\xac")
_P2SH: Final = (23, b"\xa9\x14", b"\x87")
_PROGRAMS: Final = {(0, 20): 5, (0, 32): 6, (1, 32): 7}
_NULL_DATA: Final = b"\x6a"
_MULTISIG: Final = b"\xae"

_OP_1, _OP_16 = 0x51, 0x60
_PUSHES: Final = range(0x01, 0x4C)
_SIZED_PUSHES: Final = {0x4C: 1, 0x4D: 2, 0x4E: 4}  # OP_PUSHDATA1, 2, 4: bytes of the size
_SMALL: Final = (0x4F, *range(_OP_1, _OP_16 + 1))  # OP_1NEGATE, OP_1 to OP_16: all true
_NOPS: Final = (0x61, 0xB0, *range(0xB3, 0xBA))  # OP_NOP, 1, 4 to 10; 2 and 3 became locks (BIP 65, 112)
_DROPS: Final = {0x75: 1, 0x6D: 2}
_PROGRAM_BYTES: Final = range(2, 41)  # BIP 141
_LARGEST_PUSH: Final = 520

# Locks that anybody opens, as they stand in P2SH and P2WSH: nothing, OP_1NEGATE, OP_1 to OP_16, OP_NOP and OP_1, a byte
# one, OP_DROP and OP_1.
_OPEN: Final = (b"", *(bytes([op]) for op in _SMALL), b"\x61\x51", b"\x01\x01", b"\x75\x51")
_OPEN_WITNESS: Final = tuple(b"\x00\x20" + hashlib.sha256(lock).digest() for lock in _OPEN)
_OPEN_HASHES: Final = tuple(b"\xa9\x14" + hashes.hash160(lock) + b"\x87" for lock in (*_OPEN, *_OPEN_WITNESS))

# Whoever sees such a coin may spend it: pay-to-anchor (Bitcoin Core 28, used by Lightning), and the open locks bare and
# hashed. ``spent_by_anybody`` knows more of them; these are the ones that can be looked up in an index of any size.
SPENT_BY_ANYBODY: Final = (bytes.fromhex("51024e73"), *_OPEN, *_OPEN_WITNESS, *_OPEN_HASHES)


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


def spent_by_anybody(script: bytes) -> bool:
    """Tell whether a coin with this script may be spent by whoever sees it, so that spending it says nothing.

    Witness programs without rules yet (BIP 141, 341: version 2 and higher, version 1 of another length than 32), open
    locks under a hash, and scripts that push, drop and do nothing and end true. Other scripts that need no secret
    (sums, known hashes) are not recognised.
    """
    if len(script) - 2 in _PROGRAM_BYTES and script[1] == len(script) - 2:
        if script[0] == _OP_1:
            return len(script) != 34  # noqa: PLR2004 -- OP_1, a push of 32: taproot
        if _OP_1 < script[0] <= _OP_16:
            return True
        if script[0] == 0:
            return script in _OPEN_WITNESS
    return script in _OPEN_HASHES or _ends_true(script)


def _ends_true(script: bytes) -> bool:
    """Run a script that only pushes, drops and does nothing.

    What it drops or leaves beyond its own pushes, its spender brings as he likes.
    """
    stack: list[bytes] = []
    at = 0
    while at < len(script):
        op = script[at]
        at += 1
        if op in _SMALL:
            stack.append(b"\x01")
        elif op in _DROPS:
            del stack[-_DROPS[op] :]
        elif op not in _NOPS:
            pushed = _pushed(script, at - 1)
            if pushed is None:
                return False
            stack.append(pushed[0])
            at = pushed[1]
    return not stack or _is_true(stack[-1])


def _pushed(script: bytes, at: int) -> tuple[bytes, int] | None:
    """Give what the push at a place pushes and where it ends; None for another operation, and one cut short."""
    op = script[at]
    begin, size = at + 1, op
    if op in _SIZED_PUSHES:
        begin += _SIZED_PUSHES[op]
        size = int.from_bytes(script[at + 1 : begin], "little")
    elif op != 0 and op not in _PUSHES:
        return None
    end = begin + size
    return None if end > len(script) or size > _LARGEST_PUSH else (script[begin:end], end)


def _is_true(value: bytes) -> bool:
    """Tell true from zero, which also may be negative."""
    return any(value[:-1]) or value[-1:] not in {b"", b"\x00", b"\x80"}


class FindsAddresses(Protocol):
    """What an index gives for this."""

    def find_address(self, text: str) -> int | None:
        """Find the number of an address."""

    def script(self, number: int) -> bytes:
        """Give the script of an address."""


def known_settings(index: FindsAddresses) -> Settings:
    """Give the settings for a chain that everybody knows: coins of nobody, and whom Wasabi paid."""
    paid = (index.find_address(address) for address in WASABI_COORDINATORS)
    coordinators = tuple(sorted(number for number in paid if number is not None))
    return Settings(coordinators=coordinators, unowned=unowned_addresses(index))


def unowned_addresses(index: FindsAddresses, among: Iterable[int] = ()) -> tuple[int, ...]:
    """Give the numbers of the addresses of a chain that anybody may spend from, for ``Settings.unowned``.

    The known ones are looked up. ``among``: addresses whose scripts are looked at one by one besides, to find the rest
    of what ``spent_by_anybody`` tells (microseconds each: not for all of a large chain).
    """
    found = (index.find_address(f"script:{script.hex()}") for script in SPENT_BY_ANYBODY)
    seen = (number for number in among if spent_by_anybody(index.script(number)))
    return tuple(sorted({number for number in found if number is not None}.union(seen)))
