"""The made-up chain as raw blocks, so that the index can be built from it as from a node.

Scripts are of version-0 witness programs (BIP 141), one for each address number; the txids are those of the bytes, thus
others than the made-up ones. Proof of work and signatures are left out: an index believes its node in both.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from strongroom_tracing.columns import Columns
from strongroom_tracing.index.model import RawBlock, Tip

NULL: Final = bytes(32) + b"\xff\xff\xff\xff"
SEQUENCE: Final = b"\xff\xff\xff\xff"


def raw_blocks(columns: Columns, blocks: int) -> list[RawBlock]:
    """Write the first blocks of a chain as bytes."""
    writer = _Writer(columns)
    made: list[RawBlock] = []
    previous = bytes(32)
    for number in range(blocks):
        first, last = int(columns.block_first_tx[number]), int(columns.block_first_tx[number + 1])
        txs = [writer.tx(number, tx) for tx in range(first, last)]
        root = merkle_root(writer.txids[first:last])
        header = struct.pack("<i32s32sIII", 2, previous, root, int(columns.block_time[number]), 0x207FFFFF, number)
        previous = twice(header)
        made.append(RawBlock(number, previous[::-1].hex(), b"".join([header, size(last - first), *txs])))
    return made


class _Writer:
    """Writes chain txs one after another, and knows the txids so far."""

    def __init__(self, columns: Columns) -> None:
        self.txids: list[bytes] = []
        self._columns = columns
        self._place: list[tuple[int, int]] = []  # of each output: its chain tx and place therein

    def tx(self, block: int, tx: int) -> bytes:
        columns = self._columns
        spent = columns.input_spent[columns.tx_first_input[tx] : columns.tx_first_input[tx + 1]].tolist()
        outputs = slice(int(columns.tx_first_output[tx]), int(columns.tx_first_output[tx + 1]))
        values, addresses = columns.output_value[outputs].tolist(), columns.output_address[outputs].tolist()
        coinbase = spent[0] < 0
        signed = b"\x04" + struct.pack("<I", block) if coinbase else b""  # BIP 34 makes coinbases differ
        parts = [b"\x02\x00\x00\x00", size(len(spent))]
        parts += [b"".join((self._outpoint(number), size(len(signed)), signed, SEQUENCE)) for number in spent]
        parts.append(size(len(values)))
        parts += [struct.pack("<q", value) + script(to) for value, to in zip(values, addresses, strict=True)]
        raw = b"".join([*parts, bytes(4)])
        self.txids.append(twice(raw))
        self._place.extend((tx, place) for place in range(len(values)))
        return raw

    def _outpoint(self, number: int) -> bytes:
        if number < 0:
            return NULL
        tx, place = self._place[number]
        return self.txids[tx] + struct.pack("<I", place)


def script(address: int) -> bytes:
    """Give the script of an address by its number, with its length before it."""
    return b"\x16\x00\x14" + sha256(struct.pack("<q", address)).digest()[:20]


def size(number: int) -> bytes:
    """Write a CompactSize."""
    return bytes([number]) if number < 0xFD else b"\xfd" + struct.pack("<H", number)


def twice(data: bytes) -> bytes:
    """Hash twice with SHA-256."""
    return sha256(sha256(data).digest()).digest()


def merkle_root(level: list[bytes]) -> bytes:
    """Give the root of the tree of hashes above txids."""
    while len(level) > 1:
        level = level if len(level) % 2 == 0 else [*level, level[-1]]
        level = [twice(level[at] + level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]


class Blocks:
    """Raw blocks in memory as a source of an index."""

    def __init__(self, chain: str, blocks: list[RawBlock]) -> None:
        """Take the blocks of a chain from height 0 on."""
        self.chain = chain
        self.first_height = 0
        self._blocks = blocks

    def tip(self) -> Tip:
        """Give the last block."""
        return Tip(len(self._blocks) - 1, self._blocks[-1].hash)

    def hash_at(self, height: int) -> str | None:
        """Give a block's hash, None beyond the tip."""
        return self._blocks[height].hash if 0 <= height < len(self._blocks) else None

    def blocks(self, first: int, last: int) -> Iterator[RawBlock]:
        """Give blocks from one height to another."""
        yield from self._blocks[first : last + 1]
