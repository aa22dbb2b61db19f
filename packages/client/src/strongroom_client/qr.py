"""Reads a QR code that is drawn, not photographed (ISO/IEC 18004): its modules are known, so nothing is corrected.

A canary reads the code that shoppers scan: a thief who swaps only that, and leaves the text, is seen too. Versions 1 to
20 at medium error correction, which is what the checkout draws; anything else is no code of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from strongroom_client.errors import CheckoutError

_RUN: Final = re.compile(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z")
QUIET_ZONE: Final = 4
_MAX_VERSION: Final = 20
_FORMAT_MASK: Final = 0x5412
_MEDIUM: Final = 0
_BYTES: Final = 4
_ALPHANUMERIC: Final = 2
_NUMERIC: Final = 1
_LONG_VERSION: Final = 10
_TIMING: Final = 6
_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
#: Of each version at medium: error correction codewords of a block; blocks and their data codewords, in two groups.
_BLOCKS: Final = (
    (10, (1, 16), (0, 0)),
    (16, (1, 28), (0, 0)),
    (26, (1, 44), (0, 0)),
    (18, (2, 32), (0, 0)),
    (24, (2, 43), (0, 0)),
    (16, (4, 27), (0, 0)),
    (18, (4, 31), (0, 0)),
    (22, (2, 38), (2, 39)),
    (22, (3, 36), (2, 37)),
    (26, (4, 43), (1, 44)),
    (30, (1, 50), (4, 51)),
    (22, (6, 36), (2, 37)),
    (22, (8, 37), (1, 38)),
    (24, (4, 40), (5, 41)),
    (24, (5, 41), (5, 42)),
    (28, (7, 45), (3, 46)),
    (28, (10, 46), (1, 47)),
    (26, (9, 43), (4, 44)),
    (26, (3, 44), (11, 45)),
    (26, (3, 41), (13, 42)),
)
#: Where the centres of alignment patterns stand, from version 2 on.
_ALIGNMENT: Final = (
    (6, 18), (6, 22), (6, 26), (6, 30), (6, 34), (6, 22, 38), (6, 24, 42), (6, 26, 46), (6, 28, 50), (6, 30, 54),
    (6, 32, 58), (6, 34, 62), (6, 26, 46, 66), (6, 26, 48, 70), (6, 26, 50, 74), (6, 30, 54, 78), (6, 30, 56, 82),
    (6, 30, 58, 86), (6, 34, 62, 90),
)  # fmt: skip
Modules = list[list[bool]]


def read_path(size: int, path: str) -> str:
    """Read the code that an SVG path draws, ``size`` modules a side with the quiet zone. Raises ``CheckoutError``."""
    try:
        return _read(_modules(size, path))
    except (IndexError, ValueError):
        message = "the page's QR code does not read as one"
        raise CheckoutError(message) from None


def _modules(size: int, path: str) -> Modules:
    side = size - 2 * QUIET_ZONE
    version = (side - 17) // 4
    if side != 17 + 4 * version or not 1 <= version <= _MAX_VERSION:
        raise ValueError
    modules = [[False] * side for _ in range(side)]
    for x, y, length, _ in (map(int, run.groups()) for run in _RUN.finditer(path)):
        if x < QUIET_ZONE or y < QUIET_ZONE:
            raise ValueError
        for place in range(length):
            modules[y - QUIET_ZONE][x - QUIET_ZONE + place] = True
    return modules


def _read(modules: Modules) -> str:
    version = (len(modules) - 17) // 4
    found = 0
    for column in (0, 1, 2, 3, 4, 5, 7, 8):
        found = found << 1 | modules[8][column]
    for row in (7, 5, 4, 3, 2, 1, 0):
        found = found << 1 | modules[row][8]
    found = (found ^ _FORMAT_MASK) >> 10
    if found >> 3 != _MEDIUM:
        raise ValueError
    words = list(_codewords(modules, version, found & 7))
    return _text(_data(words, version), version)


def _codewords(modules: Modules, version: int, mask: int) -> Iterator[int]:
    """Walk the modules in the standard's order (7.7.3), unmasked (7.8.2), eight at a time."""
    side, reserved = len(modules), _reserved(version)
    word = bits = 0
    up = True
    for right in (*range(side - 1, 6, -2), 5, 3, 1):
        for row in reversed(range(side)) if up else range(side):
            for column in (right, right - 1):
                if reserved[row][column]:
                    continue
                word, bits = word << 1 | (modules[row][column] ^ _is_masked(mask, row, column)), bits + 1
                if bits == 8:  # noqa: PLR2004 - a codeword
                    yield word
                    word = bits = 0
        up = not up


def _is_masked(mask: int, i: int, j: int) -> bool:
    product = i * j
    return not (
        (i + j) % 2,
        i % 2,
        j % 3,
        (i + j) % 3,
        (i // 2 + j // 3) % 2,
        product % 2 + product % 3,
        (product % 2 + product % 3) % 2,
        ((i + j) % 2 + product % 3) % 2,
    )[mask]


def _reserved(version: int) -> Modules:
    """Mark what is no data: finders with their format bits, timing, alignment, the version's own bits."""
    side = 17 + 4 * version
    marked = [[_TIMING in (row, column) for column in range(side)] for row in range(side)]
    corners = [(0, 0, 9, 9), (0, side - 8, 9, 8), (side - 8, 0, 8, 9)]
    if version >= 7:  # noqa: PLR2004 - from there on the version is written down
        corners += [(0, side - 11, 6, 3), (side - 11, 0, 3, 6)]
    centres = _ALIGNMENT[version - 2] if version > 1 else ()
    last = centres[-1] if centres else 0
    beside = {(6, 6), (6, last), (last, 6)}  # where finders stand
    corners += [(y - 2, x - 2, 5, 5) for y in centres for x in centres if (y, x) not in beside]
    for top, left, height, width in corners:
        for row in range(top, top + height):
            marked[row][left : left + width] = [True] * width
    return marked


def _data(words: list[int], version: int) -> bytes:
    """Undo the interleaving of blocks (7.6), and leave their error correction away."""
    _, *groups = _BLOCKS[version - 1]
    lengths = [length for count, length in groups for _ in range(count)]
    blocks: list[list[int]] = [[] for _ in lengths]
    given = iter(words)
    for place in range(max(lengths)):
        for block, length in zip(blocks, lengths, strict=True):
            if place < length:
                block.append(next(given, -1))
    return bytes(word for block in blocks for word in block)


def _text(data: bytes, version: int) -> str:
    bits = "".join(f"{byte:08b}" for byte in data)
    at, text = 0, ""

    def take(count: int) -> int:
        nonlocal at
        at += count
        return int(bits[at - count : at], 2)

    while len(bits) - at >= 4 and (mode := take(4)):  # noqa: PLR2004 - a mode, 0 ends
        long = version >= _LONG_VERSION
        if mode == _BYTES:
            text += bytes(take(8) for _ in range(take(16 if long else 8))).decode("latin-1")
        elif mode == _ALPHANUMERIC:
            left = take(11 if long else 9)
            for _ in range(left // 2):
                high, low = divmod(take(11), len(_LETTERS))
                text += _LETTERS[high] + _LETTERS[low]
            text += _LETTERS[take(6)] if left % 2 else ""
        elif mode == _NUMERIC:
            left = take(12 if long else 10)
            groups = [(3, 10)] * (left // 3) + ([(left % 3, 1 + 3 * (left % 3))] if left % 3 else [])
            text += "".join(f"{take(size):0{digits}d}" for digits, size in groups)
        else:
            raise ValueError
    return text
