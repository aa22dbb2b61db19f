"""SHA-256 inside compiled functions (FIPS 180-4).

Python's own is faster on long input, but a chain tx is short, and calling it once for each costs more than the hashing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.compiled import compiled

HASH_BYTES: Final = 32
BLOCK_BYTES: Final = 64
SPARE_BYTES: Final = 2 * BLOCK_BYTES  # what padding may add to a message


def _roots(power: float, count: int) -> npt.NDArray[np.uint32]:
    """First 32 bits of the fractions of the square or cube roots of the first primes: the constants of SHA-256."""
    primes = [n for n in range(2, 312) if all(n % d for d in range(2, int(n**0.5) + 1))][:count]
    scale = 2 ** (32 * power)  # roots in integers: floor(2^32 * n^(1/power)) is the root of n * 2^(32 * power)
    return np.array([_root(int(n * scale), int(power)) % 2**32 for n in primes], dtype=np.uint32)


def _root(number: int, power: int) -> int:
    low, high = 0, 1 << (number.bit_length() // power + 1)
    while low < high - 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**power <= number else (low, middle)
    return low


_ROUND: Final = _roots(3, 64)
_START: Final = _roots(2, 8)


@compiled
def _turn(word: np.uint32, bits: int) -> np.uint32:
    return np.uint32((word >> np.uint32(bits)) | (word << np.uint32(32 - bits)))


@compiled
def sha256(data: npt.NDArray[np.uint8], length: int | np.int64, out: npt.NDArray[np.uint8]) -> None:
    """Hash the first ``length`` bytes of ``data`` into ``out``.

    Overwrites up to ``SPARE_BYTES`` behind them with padding.
    """
    blocks = (length + 8) // BLOCK_BYTES + 1
    total = blocks * BLOCK_BYTES
    data[length] = 0x80
    for i in range(length + 1, total - 8):
        data[i] = 0
    for i in range(8):
        data[total - 1 - i] = ((length * 8) >> (8 * i)) & 0xFF
    state = _START.copy()
    words = np.empty(64, np.uint32)
    for block in range(blocks):
        at = block * BLOCK_BYTES
        for i in range(16):
            words[i] = np.uint32(
                (np.uint32(data[at]) << np.uint32(24))
                | (np.uint32(data[at + 1]) << np.uint32(16))
                | (np.uint32(data[at + 2]) << np.uint32(8))
                | np.uint32(data[at + 3])
            )
            at += 4
        for i in range(16, 64):
            x, y = words[i - 15], words[i - 2]
            s0 = _turn(x, 7) ^ _turn(x, 18) ^ np.uint32(x >> np.uint32(3))
            s1 = _turn(y, 17) ^ _turn(y, 19) ^ np.uint32(y >> np.uint32(10))
            words[i] = np.uint32(words[i - 16] + s0 + words[i - 7] + s1)
        a, b, c, d, e, f, g, h = state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
        for i in range(64):
            s1 = _turn(e, 6) ^ _turn(e, 11) ^ _turn(e, 25)
            t1 = np.uint32(h + s1 + ((e & f) ^ (~e & g)) + _ROUND[i] + words[i])
            s0 = _turn(a, 2) ^ _turn(a, 13) ^ _turn(a, 22)
            t2 = np.uint32(s0 + ((a & b) ^ (a & c) ^ (b & c)))
            h, g, f, e, d, c, b, a = g, f, e, np.uint32(d + t1), c, b, a, np.uint32(t1 + t2)
        state[0] += a
        state[1] += b
        state[2] += c
        state[3] += d
        state[4] += e
        state[5] += f
        state[6] += g
        state[7] += h
    for i in range(32):
        out[i] = (state[i // 4] >> np.uint32(24 - 8 * (i % 4))) & np.uint32(0xFF)
