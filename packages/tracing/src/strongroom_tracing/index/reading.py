"""The kernel of parsing: a chain is read byte by byte here, by compiled functions.

Formats: the protocol documentation of Bitcoin; BIP 144 (witnesses); LIP-3 (Litecoin's MWEB: the last chain tx of a
block, the HogEx, carries flag 0x08 and one null byte, and an extension block follows it, which holds no outputs of the
plain chain).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.compiled import compiled
from strongroom_tracing.index.hashing import HASH_BYTES, sha256

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

HEADER_BYTES: Final = 80
LARGEST_VALUE: Final = 10**17  # of an output, and of all of a chain tx: beyond every supply of such chains
FAULTS: Final = (
    "",
    "ends too early",
    "has bytes behind its end",
    "has a chain tx with unknown flags",
    "has a merkle root that is not of its chain txs",
    "has no coinbase as its first chain tx, or a second one",
    "has an output of an impossible value",
    "has undo data that does not fit its inputs",
)
_SHORT, _LONG, _FLAGS, _MERKLE, _COINBASE, _VALUE, _UNDO = range(1, 8)


@compiled
def _little(raw: Bytes, at: int, size: int | np.int64) -> Any:
    number: Any = np.int64(0)
    for i in range(size):
        number |= np.int64(raw[at + i]) << np.int64(8 * i)
    return number


@compiled
def _size(raw: Bytes, at: int, end: int) -> tuple[int, int]:
    """Read a length (CompactSize) and where it ends; a length beyond ``end`` makes (-1, at)."""
    if at >= end:
        return -1, at
    first: Any = np.int64(raw[at])
    wide = 0 if first < 0xFD else 1 << (first - 0xFC)  # noqa: PLR2004 -- 2, 4 or 8 bytes follow
    if at + 1 + wide > end:
        return -1, at
    number = first if wide == 0 else _little(raw, at + 1, wide)
    if number < 0 or number > end - at:  # everything counted here takes at least a byte
        return -1, at
    return number, at + 1 + wide


@compiled
def _copy(raw: Bytes, at: int, end: int, out: Bytes, to: int) -> int:
    for i in range(end - at):
        out[to + i] = raw[at + i]
    return to + end - at


@compiled
def _twice(scratch: Bytes, length: int | np.int64, out: Bytes, row: int | np.int64, pad: Bytes) -> None:
    """Hash twice, into the first 32 bytes of a row; ``pad`` is room for a hash and its padding."""
    sha256(scratch, length, pad)
    sha256(pad, np.int64(HASH_BYTES), pad)
    for i in range(32):
        out[row, i] = pad[i]


@compiled
def _root_is(raw: Bytes, at: int, txid: Bytes, first: int, count: int, pad: Bytes) -> bool:
    """Whether the merkle root of ``count`` txids is the one at ``at``, and of no other list of txids.

    Where two different places of a level are equal, so is the root of a list that has the end of this one once or twice
    (CVE-2012-2459): no block of a chain is made so.
    """
    alone = True
    level = txid[first : first + count].copy()
    pair = np.empty(64 + 128, np.uint8)
    while count > 1:
        for i in range((count + 1) // 2):
            other = min(2 * i + 1, count - 1)  # the last one of an odd level pairs with itself
            twin = other != 2 * i
            for j in range(32):
                pair[j] = level[2 * i, j]
                pair[32 + j] = level[other, j]
                twin = twin and pair[j] == pair[32 + j]
            alone = alone and not twin
            _twice(pair, np.int64(2 * HASH_BYTES), level, i, pad)
        count = (count + 1) // 2
    same = alone
    for j in range(32):
        same = same and level[0, j] == raw[at + j]
    return same


@compiled
def read_blocks(  # noqa: C901, PLR0911, PLR0912, PLR0915 -- one kernel, compiled once: a chain is read byte by byte here
    raw: Bytes,
    start: Numbers,
    undo: Bytes,
    undo_start: Numbers,
    header: Bytes,
    per_block: Numbers,
    txid: Bytes,
    per_tx: Numbers,
    per_input: Numbers,
    per_output: Numbers,
    key: Words,
    scratch: Bytes,
    count: Numbers,
) -> int:
    """Fill the columns; ``count`` gets chain txs, inputs, outputs, and where it stands: block and byte.

    Gives a fault or 0.
    """
    # Numbers as numpy's: for each literal that is passed on, numba would compile the callee once more.
    none: Any = np.int64(0)
    tx, vin, vout = none, none, none
    pad = np.empty(32 + 128, np.uint8)
    hashed = np.empty(32, np.uint8)
    for block in range(len(start) - 1):
        begin, end = start[block], start[block + 1]
        count[3], count[4] = block, 0
        spent_at, spent_end = undo_start[block], undo_start[block + 1]
        if begin == end:
            continue  # a gap
        if end - begin < HEADER_BYTES + 1:
            return _SHORT
        _copy(raw, begin, begin + HEADER_BYTES, scratch, none)
        _twice(scratch, np.int64(HEADER_BYTES), header, np.int64(block), pad)
        for i in range(32):
            header[block, 32 + i] = raw[begin + 4 + i]
        per_block[block, 0] = _little(raw, begin + 68, np.int64(4))
        txs, at = _size(raw, begin + HEADER_BYTES, end)
        if txs < 1:
            return _SHORT
        per_block[block, 1] = txs
        first_tx, hogex = tx, False
        for index in range(txs):
            count[4] = at - begin
            tx_at = at
            at += 4
            if at + 2 > end:
                return _SHORT
            flags: Any = 0
            if raw[at] == 0:
                flags = np.int64(raw[at + 1])
                if flags & ~9 or flags == 0:
                    return _FLAGS
                at += 2
            inputs_at = at
            inputs, at = _size(raw, at, end)
            if inputs < 1:
                return _SHORT
            for _ in range(inputs):
                if at + 41 > end:
                    return _SHORT
                null = _little(raw, at + 32, np.int64(4)) == 0xFFFFFFFF  # noqa: PLR2004 -- a coinbase's vout
                j = 0
                while null and j < 32:  # noqa: PLR2004 -- bytes of a txid
                    null = raw[at + j] == 0
                    j += 1
                if null != (index == 0) or (null and inputs != 1):
                    return _COINBASE
                per_input[vin, 0] = -1 if null else at
                per_input[vin, 1] = -1
                if not null and undo_start[block] < spent_end:
                    if spent_at + 9 > spent_end:
                        return _UNDO
                    per_input[vin, 1] = _little(undo, spent_at, np.int64(8))
                    length, spent_at = _size(undo, spent_at + 8, spent_end)
                    if length < 0 or spent_at + length > spent_end or not 0 <= per_input[vin, 1] <= LARGEST_VALUE:
                        return _UNDO
                    spent_at += length
                vin += 1
                length, at = _size(raw, at + 36, end)
                if length < 0 or at + length + 4 > end:
                    return _SHORT
                at += length + 4
            outputs, at = _size(raw, at, end)
            if outputs < 0:
                return _SHORT
            total: Any = np.int64(0)
            for _ in range(outputs):
                if at + 9 > end:
                    return _SHORT
                value = _little(raw, at, np.int64(8))
                if not 0 <= value <= LARGEST_VALUE - total:
                    return _VALUE
                total += value
                length, at = _size(raw, at + 8, end)
                if length < 0 or at + length > end:
                    return _SHORT
                per_output[vout, 0], per_output[vout, 1], per_output[vout, 2] = value, at, length
                _copy(raw, at, at + length, scratch, none)
                sha256(scratch, length, hashed)
                word = np.uint64(0)
                for j in range(8):
                    word |= np.uint64(hashed[j]) << np.uint64(8 * j)
                key[vout] = word
                vout += 1
                at += length
            body_end = at
            if flags & 1:
                for _ in range(inputs):
                    items, at = _size(raw, at, end)
                    if items < 0:
                        return _SHORT
                    for _ in range(items):
                        length, at = _size(raw, at, end)
                        if length < 0 or at + length > end:
                            return _SHORT
                        at += length
            if flags & 8:
                if at >= end or raw[at] != 0 or index != txs - 1:
                    return _FLAGS  # only the HogEx, without a body of its own, stands among the chain txs of a block
                hogex = True
                at += 1
            at += 4
            if at > end:
                return _SHORT
            length = _copy(raw, tx_at, tx_at + 4, scratch, none)
            length = _copy(raw, inputs_at, body_end, scratch, length)
            length = _copy(raw, at - 4, at, scratch, length)
            _twice(scratch, length, txid, tx, pad)
            per_tx[tx, 0], per_tx[tx, 1] = inputs, outputs
            tx += 1
        count[4] = at - begin
        if at != end and not hogex:
            return _LONG
        if spent_at != spent_end:
            return _UNDO
        if not _root_is(raw, begin + 36, txid, first_tx, txs, pad):
            return _MERKLE
    count[0], count[1], count[2] = tx, vin, vout
    return 0
