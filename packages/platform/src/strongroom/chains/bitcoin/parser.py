"""Raw blocks and chain txs of the bitcoin-likes, read as fast as Python can.

The watched scripts and our coins are sets in memory: what a block costs depends on its size, not on how many are
watched. Every chain tx's id is computed, since that is what the header's merkle root is checked against; only chain txs
that concern us are taken apart.

Sources: Bitcoin's serialization with BIP 141 and BIP 144 (witness flag 0x01); Litecoin 0.21 primitives/transaction.h
and block.h (MWEB flag 0x08: inside a block only the last chain tx, HogEx, has it, followed by one zero byte; the
extension block's own data follows the last chain tx and holds nothing that pays a script).
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import MutableSet
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from strongroom.chains.errors import BlockFormatError, BlockMismatchError

HEADER_BYTES: Final = 80
OUTPOINT_BYTES: Final = 36
WITNESS_FLAG, MWEB_FLAG = 0x01, 0x08
SIGNALS_BELOW: Final = 0xFFFFFFFE  # BIP 125: a sequence below this says "may be replaced"
_LONG: Final = 0xFD  # a CompactSize from here on has a number of 2, 4 or 8 bytes behind it
_NO_COIN: Final = bytes(32) + b"\xff\xff\xff\xff"
_u32 = struct.Struct("<I").unpack_from
_u64 = struct.Struct("<Q").unpack_from
_sizes: Final = {0xFD: (struct.Struct("<H").unpack_from, 3), 0xFE: (_u32, 5), 0xFF: (_u64, 9)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for: scripts, our coins (outpoints; what is found is added), outpoints that open chain txs spend."""

    scripts: AbstractSet[bytes]
    coins: MutableSet[bytes]
    contested: AbstractSet[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class ParsedTx:
    """A chain tx taken apart. Inputs are (outpoint, sequence), outputs (amount in base units, script)."""

    txid_bytes: bytes
    raw: bytes
    inputs: tuple[tuple[bytes, int], ...]
    outputs: tuple[tuple[int, bytes], ...]

    @property
    def txid(self) -> str:
        """The id as shown."""
        return display(self.txid_bytes)

    @property
    def signals(self) -> bool:
        """Whether it says itself that it may be replaced (BIP 125)."""
        return any(sequence < SIGNALS_BELOW for _, sequence in self.inputs)

    @property
    def coinbase(self) -> bool:
        """Whether it makes new coins."""
        return len(self.inputs) == 1 and self.inputs[0][0] == _NO_COIN


@dataclass(frozen=True, slots=True)
class ScannedBlock:
    """A block's header, and those of its chain txs that concern us, with their places in it."""

    block_hash: str
    parent_hash: str
    unix_time: int
    tx_count: int
    found: tuple[tuple[int, ParsedTx], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """All of a block's txids, where its chain txs begin and end, the scripts that they pay to and the coins they spend.

    ``script_ends`` and ``spent_ends`` say up to where the items of each chain tx go.
    """

    ids: list[bytes]
    ends: list[int]
    scripts: list[bytes]
    script_ends: list[int]
    spent: list[bytes]
    spent_ends: list[int]


def display(digest: bytes) -> str:
    """Write a hash the way it is shown: hex, last byte first."""
    return digest[::-1].hex()


def outpoint(txid: str, vout: int) -> bytes:
    """Make the 36 bytes by which an input names a coin."""
    return bytes.fromhex(txid)[::-1] + vout.to_bytes(4, "little")


def split_outpoint(data: bytes) -> tuple[str, int]:
    """Give the txid and output number of 36 bytes."""
    return display(data[:32]), int.from_bytes(data[32:], "little")


def scan_block(raw: bytes, wanted: Wanted, expected_hash: str | None = None) -> ScannedBlock:
    """Find what concerns us in a whole raw block, and check that the block is whole and its own.

    Raises as ``read_block`` does.
    """
    layout = read_block(raw, expected_hash)
    block_hash, parent, (unix_time,) = display(_digest(raw[:HEADER_BYTES])), display(raw[4:36]), _u32(raw, 68)
    return ScannedBlock(block_hash, parent, unix_time, len(layout.ids), tuple(_find(raw, layout, wanted)))


def read_block(raw: bytes, expected_hash: str | None = None) -> Layout:
    """Find where the chain txs of a whole raw block are, and check that the block is whole and its own.

    Raises ``BlockFormatError`` for bytes that are no block, ``BlockMismatchError`` where the hash is not
    ``expected_hash`` or the chain txs are not those that the header commits to.
    """
    block_hash = display(_digest(raw[:HEADER_BYTES]))
    if expected_hash is not None and block_hash != expected_hash:
        message = f"asked for block {expected_hash}, got {block_hash}"
        raise BlockMismatchError(message)
    try:
        layout = _lay_out(raw, *_first_tx(raw))
    except (IndexError, struct.error):
        message = f"block {block_hash} is cut short"
        raise BlockFormatError(message) from None
    _check(raw, layout, block_hash)
    return layout


def _first_tx(raw: bytes) -> tuple[int, int]:
    count, place = _size(raw, HEADER_BYTES)
    return place, count


def _check(raw: bytes, layout: Layout, block_hash: str) -> None:
    end = layout.ends[-1]
    if end > len(raw) or (end < len(raw) and not _ends_in_mweb(raw, layout)):
        message = f"block {block_hash} has {len(raw)} bytes, but its chain txs end at {end}"
        raise BlockFormatError(message)
    if merkle_root(layout.ids) != raw[36:68]:
        message = f"the chain txs of block {block_hash} are not those of its header"
        raise BlockMismatchError(message)


def _ends_in_mweb(raw: bytes, layout: Layout) -> bool:
    """Whether an extension block follows the last chain tx, which is HogEx then."""
    if not layout.ids:
        return False
    last, place = layout.ends[-2:]
    return raw[last + 4] == 0 and bool(raw[last + 5] & MWEB_FLAG) and raw[place] <= 1


def _lay_out(raw: bytes, place: int, count: int) -> Layout:
    """Walk over all chain txs once. What they pay to and spend is only gathered: sets compare it faster than a loop."""
    layout = Layout([], [place], [], [], [], [])
    for _ in range(count):
        place = _lay_out_tx(raw, place, layout)
        layout.ends.append(place)
        layout.script_ends.append(len(layout.scripts))
        layout.spent_ends.append(len(layout.spent))
    return layout


def _find(raw: bytes, layout: Layout, wanted: Wanted) -> list[tuple[int, ParsedTx]]:
    """Take apart what concerns us. Outputs go first, since a coin may be spent in the block that makes it."""
    found: dict[int, ParsedTx] = {}
    for position in _positions(layout.scripts, layout.script_ends, wanted.scripts):
        found[position] = tx = parse_tx(raw[layout.ends[position] : layout.ends[position + 1]])
        note_coins(tx, wanted)
    spending = _positions(layout.spent, layout.spent_ends, wanted.coins)
    for position in spending | _positions(layout.spent, layout.spent_ends, wanted.contested):
        if position not in found:
            found[position] = parse_tx(raw[layout.ends[position] : layout.ends[position + 1]])
    return sorted(found.items())


def _positions(items: list[bytes], ends: list[int], wanted: AbstractSet[bytes]) -> set[int]:
    """Give the places of the chain txs that an item which is wanted belongs to."""
    if not wanted or wanted.isdisjoint(items):
        return set()
    return {bisect_right(ends, place) for place, item in enumerate(items) if item in wanted}


def note_coins(tx: ParsedTx, wanted: Wanted) -> None:
    """Add the outputs that pay us to our coins, so that a later spend of them is seen, in the same block even."""
    for vout, (_, script) in enumerate(tx.outputs):
        if script in wanted.scripts:
            wanted.coins.add(tx.txid_bytes + vout.to_bytes(4, "little"))


def _lay_out_tx(raw: bytes, start: int, layout: Layout) -> int:
    """Note a chain tx's id and what it spends and pays to; gives where it ends."""
    flag = raw[start + 5] if raw[start + 4] == 0 else 0
    place = body = start + (6 if flag else 4)
    inputs, place = _size(raw, place)
    place = _gather_inputs(raw, place, inputs, layout.spent)
    place = _gather_outputs(raw, place, layout.scripts)
    if not flag:
        layout.ids.append(_digest(raw[start : place + 4]))
        return place + 4
    middle = raw[body:place]
    place = _skip_extras(raw, place, flag, inputs)
    layout.ids.append(_digest(raw[start : start + 4] + middle + raw[place - 4 : place]))
    return place


def _skip_extras(raw: bytes, place: int, flag: int, inputs: int) -> int:
    if flag & ~(WITNESS_FLAG | MWEB_FLAG):
        message = f"a chain tx has the unknown flag {flag:#04x}"
        raise BlockFormatError(message)
    if flag & WITNESS_FLAG:
        place = _skip_witnesses(raw, place, inputs)
    if flag & MWEB_FLAG:
        if raw[place] != 0:
            message = "a chain tx inside a block carries MWEB data, which only the mempool knows"
            raise BlockFormatError(message)
        place += 1
    return place + 4


def _gather_inputs(raw: bytes, place: int, count: int, spent: list[bytes]) -> int:
    for _ in range(count):
        size = raw[place + 36]
        spent.append(raw[place : place + 36])
        if size < _LONG:
            place += size + 41
        else:
            size, place = _size(raw, place + 36)
            place += size + 4
    return place


def _gather_outputs(raw: bytes, place: int, scripts: list[bytes]) -> int:
    count, place = _size(raw, place)
    for _ in range(count):
        size = raw[place + 8]
        if size < _LONG:
            end = place + 9 + size
            scripts.append(raw[place + 9 : end])
            place = end
        else:
            size, place = _size(raw, place + 8)
            scripts.append(raw[place : place + size])
            place += size
    return place


def _skip_witnesses(raw: bytes, place: int, inputs: int) -> int:
    for _ in range(inputs):
        items, place = (raw[place], place + 1) if raw[place] < _LONG else _size(raw, place)
        for _ in range(items):
            size = raw[place]
            if size < _LONG:
                place += size + 1
            else:
                size, place = _size(raw, place)
                place += size
    return place


def _size(raw: bytes, place: int) -> tuple[int, int]:
    """Read a CompactSize; the number and where it ends."""
    first = raw[place]
    if first < _LONG:
        return first, place + 1
    read, width = _sizes[first]
    return read(raw, place + 1)[0], place + width


def parse_tx(raw: bytes) -> ParsedTx:
    """Take one whole chain tx apart. Raises ``BlockFormatError``.

    MWEB data, which the mempool's chain txs may carry before the lock time, is left out of ``raw``, and so is the
    witness then: what stays has the same id and is what any other program can read.
    """
    try:
        return _parse_tx(raw)
    except (IndexError, struct.error):
        message = "a chain tx is cut short"
        raise BlockFormatError(message) from None


def parse_if_wanted(raw: bytes, wanted: Wanted) -> ParsedTx | None:
    """Take a whole chain tx apart if it concerns us, else None. Raises ``BlockFormatError``."""
    tx = parse_tx(raw)
    pays = any(script in wanted.scripts for _, script in tx.outputs)
    spends = any(spent in wanted.coins or spent in wanted.contested for spent, _ in tx.inputs)
    return tx if pays or spends else None


def _parse_tx(raw: bytes) -> ParsedTx:
    flag = raw[5] if raw[4] == 0 else 0
    body = 6 if flag else 4
    count, place = _size(raw, body)
    inputs, place = _read_inputs(raw, place, count)
    outputs, place = _read_outputs(raw, place)
    plain = raw[:4] + raw[body:place] + raw[-4:]
    if flag & WITNESS_FLAG:
        place = _skip_witnesses(raw, place, count)
    if flag & MWEB_FLAG:
        place, raw = len(plain) - 4, plain
    if flag & ~(WITNESS_FLAG | MWEB_FLAG) or place + 4 != len(raw):
        message = "a chain tx does not end where its parts do"
        raise BlockFormatError(message)
    return ParsedTx(_digest(plain), raw, tuple(inputs), tuple(outputs))


def _read_inputs(raw: bytes, place: int, count: int) -> tuple[list[tuple[bytes, int]], int]:
    inputs: list[tuple[bytes, int]] = []
    for _ in range(count):
        size, after = _size(raw, place + OUTPOINT_BYTES)
        inputs.append((raw[place : place + OUTPOINT_BYTES], _u32(raw, after + size)[0]))
        place = after + size + 4
    return inputs, place


def _read_outputs(raw: bytes, place: int) -> tuple[list[tuple[int, bytes]], int]:
    outputs: list[tuple[int, bytes]] = []
    count, place = _size(raw, place)
    for _ in range(count):
        size, after = _size(raw, place + 8)
        outputs.append((_u64(raw, place)[0], raw[after : after + size]))
        place = after + size
    return outputs, place


def merkle_root(ids: list[bytes]) -> bytes:
    """Hash a block's txids pairwise up to the root; an odd one is paired with itself."""
    level = list(ids) or [bytes(32)]
    while len(level) > 1:
        if len(level) % 2:
            level.append(level[-1])
        level = [sha256(sha256(a + b).digest()).digest() for a, b in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def _digest(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()
