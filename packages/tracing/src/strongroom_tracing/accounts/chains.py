"""The ranges of one chain, one behind the other, and what names its data."""

from __future__ import annotations

import hashlib
import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from strongroom_tracing.accounts.columns import Columns, Ints, arrays_of, fixed
from strongroom_tracing.accounts.genuine import Genuine

_NOTHING: Final = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class ChainTables:
    """A chain's canonical tables (pyarrow); ``blocks`` may be empty where only transfers are known.

    Not ``traced``: coin that moved inside of contract calls is not among them.
    """

    chain: str
    transfers: Any
    blocks: Any
    traced: bool = True

    def part(self) -> ChainPart:
        """Make the working set in memory."""
        data = b""
        if self.blocks.num_rows == 0:
            digest = hashlib.sha256()
            for column in self.transfers.itercolumns():
                digest.update(fixed(column, column.type.bit_width // 8).tobytes())
            data = digest.digest()
        return ChainPart(self.chain, (Columns(arrays_of(self.transfers, self.blocks)),), self.traced, data)


@dataclass(frozen=True, slots=True)
class ChainPart:
    """A chain's columns by ranges; ``rows_digest`` names transfers that come without blocks."""

    chain: str
    ranges: tuple[Columns, ...]
    traced: bool = True
    rows_digest: bytes = b""


class Chain:
    """One chain. Rows and chain txs are numbered over its ranges."""

    def __init__(self, part: ChainPart, genuine: Genuine) -> None:
        """Number the ranges."""
        self.name = part.chain
        self.ranges = part.ranges
        self._rows_digest = part.rows_digest
        self.row_base = [0, *np.cumsum([one.rows for one in part.ranges], dtype=np.int64).tolist()]
        self.tx_base = [0, *np.cumsum([one.txs for one in part.ranges], dtype=np.int64).tolist()]
        self._believed = [bytes.fromhex(token.contract[2:]) for token in genuine.tokens if token.chain == part.chain]
        self._wrapping = [
            bytes.fromhex(token.contract[2:]) for token in genuine.tokens if token.chain == part.chain and token.wraps
        ]
        self._numbers: dict[int, tuple[Ints, Ints]] = {}

    def range_of_row(self, row: int) -> int:
        """Give the range that holds a row."""
        return bisect_right(self.row_base, row) - 1

    def range_of_tx(self, tx: int) -> int:
        """Give the range that holds a chain tx."""
        return bisect_right(self.tx_base, tx) - 1

    def believed(self, number: int) -> tuple[Ints, Ints]:
        """Give the numbers that genuine contracts have in a range, and those of them that wrap."""
        if number not in self._numbers:
            columns = self.ranges[number]
            self._numbers[number] = _found(columns, self._believed), _found(columns, self._wrapping)
        return self._numbers[number]

    @cached_property
    def heights(self) -> Ints:
        """The heights of its blocks."""
        return _joined([one["block_height"] for one in self.ranges])

    @cached_property
    def times(self) -> Ints:
        """The times of its blocks, in unix seconds; none earlier than the one before it."""
        return np.asarray(np.maximum.accumulate(_joined([one["block_time"] for one in self.ranges])))

    def hash_at(self, height: int) -> str:
        """Give the hash of a block in hex; empty where there is none."""
        for one in self.ranges:
            heights = one["block_height"]
            if len(heights) and heights[0] <= height <= heights[-1]:
                place = int(np.searchsorted(heights, height))
                return one["block_hash"][place].tobytes().hex() if int(heights[place]) == height else ""
        return ""

    @property
    def tip(self) -> tuple[int, str]:
        """The newest block: height, hash in hex; where only transfers are known no hash."""
        for one in reversed(self.ranges):
            if len(one["block_height"]):
                return int(one["block_height"][-1]), one["block_hash"][-1].tobytes().hex()
        last = self.ranges[-1]["tx_block"] if self.ranges else _NOTHING
        return (int(last[-1]) if len(last) else -1), ""

    def data(self, height: int | None) -> bytes:
        """Give the bytes that stand for the data up to a height: first height, each block's hash and its rows' hash."""
        if self._rows_digest:
            return self._rows_digest
        found, first = b"", None
        for one in self.ranges:
            heights = one["block_height"]
            count = len(heights) if height is None else int(np.searchsorted(heights, height, "right"))
            first = int(heights[0]) if first is None and len(heights) else first
            found += np.concatenate([one["block_hash"][:count], one["block_digest"][:count]], axis=1).tobytes()
        return struct.pack(">q", -1 if first is None else first) + found


def _found(columns: Columns, contracts: Sequence[bytes]) -> Ints:
    numbers = [columns.find_address(one) for one in contracts]
    return np.array(sorted(number for number in numbers if number >= 0), np.int64)


def _joined(arrays: Sequence[Any]) -> Ints:
    return np.concatenate(arrays).astype(np.int64) if arrays else _NOTHING
