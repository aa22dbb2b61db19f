"""Sorted runs: from the first 8 bytes of a key to a number, 12 bytes for each.

A run covers numbers from ``first`` on. It may hold numbers that are no more (chain txs of blocks that a reorg took
away) and different keys with the same first 8 bytes; therefore every hit is compared with the whole key in the table of
keys, and numbers beyond that table are passed over. Keys are hashes, so they lie evenly: a look-up guesses the place
from the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from strongroom_tracing.compiled import compiled

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.uint32]

_Kind = TypeVar("_Kind", bound=np.generic)

NOT_FOUND: Final = -1
ENTRY_BYTES: Final = 12
LARGEST_RUN: Final = 2**32 - 2**24  # offsets are of 32 bits; the rest is room for numbers of blocks taken back
GROWTH: Final = 2  # a run is merged with the one before it unless that is more than so many times as large


@dataclass(frozen=True, slots=True)
class Run:
    """Keys in ascending order; equal ones in ascending order of their numbers, which are ``first + offset``."""

    first: int
    key: Keys
    offset: Offsets


@dataclass(frozen=True, slots=True)
class Table:
    """The whole keys that runs point at.

    Key ``n`` is ``data[at[n]:at[n + 1]]``, or 32 bytes at ``32 * n`` if ``at`` is empty.
    """

    data: Bytes
    at: Numbers
    count: int


@dataclass(frozen=True, slots=True)
class Queries:
    """Keys to look for: ``data[at:at + length]``, only among numbers below ``below``.

    A negative ``at`` is not looked for.
    """

    data: Bytes
    at: Numbers
    length: Numbers
    key: Keys
    below: Numbers


def frozen(array: npt.NDArray[_Kind]) -> npt.NDArray[_Kind]:
    """Give a read-only view, so that compiled functions see one type of array wherever it comes from."""
    view: npt.NDArray[_Kind] = array.view(np.ndarray)
    view.flags.writeable = False
    return view


def prefixes(hashes: Bytes) -> Keys:
    """Give the first 8 bytes of each row of hashes, little-endian."""
    return np.ascontiguousarray(hashes[:, :8]).view(np.uint64).reshape(-1)


def make_run(first: int, key: Keys) -> Run:
    """Make a run of the keys of consecutive numbers from ``first`` on."""
    order = np.argsort(key, kind="stable")
    return Run(first, key[order], order.astype(np.uint32))


def merge_into(older: Run, newer: Run, key: Keys, offset: Offsets) -> Run:
    """Merge two neighbouring runs into the arrays given, which must have room for exactly both."""
    _merge(*_arrays(older), *_arrays(newer), newer.first - older.first, key, offset)
    return Run(older.first, key, offset)


def mergeable(older: int, newer: int, span: int) -> bool:
    """Whether runs of so many keys, whose numbers span so much, are to be merged."""
    return older <= GROWTH * newer and span < LARGEST_RUN


def find(runs: Sequence[Run], table: Table, queries: Queries, *, table_first: int = 0) -> Numbers:
    """Give the highest number below ``below`` of each key, or ``NOT_FOUND``.

    ``runs`` are in ascending order of numbers.
    """
    found = np.full(len(queries.at), NOT_FOUND, np.int64)
    columns: tuple[Any, ...] = (queries.data, queries.at, queries.length, queries.key, queries.below)
    asked: tuple[Any, ...] = tuple(frozen(column) for column in columns)
    keys: tuple[Any, ...] = (frozen(table.data.reshape(-1)), frozen(table.at), table_first, table.count)
    for run in reversed(runs):
        _find(*(*asked, *_arrays(run), run.first, *keys, found))
    return found


def _arrays(run: Run) -> tuple[Keys, Offsets]:
    return frozen(run.key), frozen(run.offset)


@compiled
def _find(  # noqa: C901, PLR0912 -- one kernel, compiled once
    data: Bytes,
    query_at: Numbers,
    query_length: Numbers,
    query_key: Keys,
    below: Numbers,
    key: Keys,
    offset: Offsets,
    first: int,
    table: Bytes,
    table_at: Numbers,
    table_first: int,
    table_count: int,
    found: Numbers,
) -> None:
    size = len(key)
    for query in range(len(query_at)):
        at = query_at[query]
        if at < 0 or found[query] >= 0 or size == 0:
            continue
        wanted = query_key[query]
        # The place to begin with: keys lie evenly. A float is exact enough for a guess, which is then corrected.
        low: Any = min(np.int64(np.float64(wanted) / 18446744073709551616.0 * size), size - 1)
        step = 1
        if key[low] < wanted:
            high = low + 1
            while high < size and key[high] < wanted:
                low = high
                high = min(high + step, size)
                step *= 2
        else:
            high = low
            low = -1 if high == 0 else high - 1
            while low >= 0 and key[low] >= wanted:
                high = low
                low = max(low - step, -1)
                step *= 2
        while high - low > 1:  # key[low] < wanted <= key[high]
            middle = (low + high) // 2
            if key[middle] < wanted:
                low = middle
            else:
                high = middle
        while high < size and key[high] == wanted:
            number = first + np.int64(offset[high])
            high += 1
            row = number - table_first
            if number >= below[query] or row >= table_count:
                continue
            row_at, length = row * 32, np.int64(32)
            if len(table_at) > 0:
                row_at, length = table_at[row], table_at[row + 1] - table_at[row]
            if length != query_length[query]:
                continue
            same = 0
            while same < length and table[row_at + same] == data[at + same]:
                same += 1
            if same == length:
                found[query] = max(found[query], number)


@compiled
def _merge(
    older: Keys, older_offset: Offsets, newer: Keys, newer_offset: Offsets, shift: int, key: Keys, offset: Offsets
) -> None:
    i, j = 0, 0
    for k in range(len(key)):
        if j == len(newer) or (i < len(older) and older[i] <= newer[j]):
            key[k], offset[k] = older[i], older_offset[i]
            i += 1
        else:
            key[k], offset[k] = newer[j], np.uint32(np.int64(newer_offset[j]) + shift)
            j += 1
