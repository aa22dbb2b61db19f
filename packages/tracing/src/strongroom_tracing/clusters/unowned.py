"""Coins that whoever sees them may spend: that two people spent such coins says nothing about them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from embit import hashes

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
# hashed. ``spent_by_anybody`` knows more of them; hashed ones can only be looked up.
SPENT_BY_ANYBODY: Final = (bytes.fromhex("51024e73"), *_OPEN, *_OPEN_WITNESS, *_OPEN_HASHES)

_KEY, _HASH, _TAPROOT = 0x21, 0x14, 0x20
_LONG_KEY: Final = 0x41
_CHECKSIG, _CHECKMULTISIG = 0xAC, 0xAE
_STEP: Final = 1_000_000  # scripts that are looked at together: 50 MB at a time
# What a script may begin with that needs neither a key nor a hash: anything but a push, a drop or nothing ends it.
_BEGINNINGS: Final = np.isin(np.arange(256), [0, *_PUSHES, *_SIZED_PUSHES, *_SMALL, *_NOPS, *_DROPS])


class HasScripts(Protocol):
    """What an index gives for this."""

    @property
    def scripts(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        """Where each script begins and, last, where they end; and all scripts, end to end."""

    def find_address(self, text: str) -> int | None:
        """Find the number of an address."""


def unowned_addresses(index: HasScripts) -> tuple[int, ...]:
    """Give the numbers of all addresses of a chain that anybody may spend from, for ``Settings.unowned``.

    Every script is looked at, 1 s for 50 million; the hashed ones that are known are looked up.
    """
    found = (index.find_address(f"script:{script.hex()}") for script in SPENT_BY_ANYBODY)
    starts, data = index.scripts
    seen = (at for at in odd_scripts(starts, data) if spent_by_anybody(data[starts[at] : starts[at + 1]].tobytes()))
    return tuple(sorted({number for number in found if number is not None}.union(seen)))


def odd_scripts(starts: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> Iterator[int]:
    """Yield the numbers of the scripts of no standard form that ``spent_by_anybody`` has to look at, in order.

    Left out: keys, hashes of keys and scripts, bare multisignatures, taproot, data, and what begins with an operation
    that asks for something.
    """
    for first in range(0, len(starts) - 1, _STEP):
        ends = starts[first + 1 : first + 1 + _STEP]
        begins = starts[first : first + len(ends)]
        for number in np.flatnonzero(_odd(begins, ends - begins, data)).tolist():
            yield first + number


def _odd(
    begins: npt.NDArray[np.int64], size: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]
) -> npt.NDArray[np.bool_]:
    """Tell which of some scripts are odd: a table of first bytes, then the few forms that begin with a push."""
    odd = np.ones(len(size), dtype=np.bool_)
    here = np.flatnonzero(size > 0)
    here = here[_BEGINNINGS[data[begins[here]]]]
    odd[size > 0] = False
    long = size[here] > 1
    odd[here[~long]] = True
    here = here[long]
    begin, length = begins[here], size[here]
    op, following, last = data[begin], data[begin + 1], data[begin + length - 1]
    program = following.astype(np.int64) == length - 2
    keyed = np.isin(op, (_KEY, _LONG_KEY)) & (op.astype(np.int64) == length - 2) & (last == _CHECKSIG)
    hashed = program & (op == 0) & np.isin(following, (_HASH, _TAPROOT))
    taproot = program & (op == _OP_1) & (following == _TAPROOT)
    several = (op >= _OP_1) & (op <= _OP_16) & np.isin(following, (_KEY, _LONG_KEY)) & (last == _CHECKMULTISIG)
    odd[here] = ~(keyed | hashed | taproot | (several & ~program))
    return odd


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
