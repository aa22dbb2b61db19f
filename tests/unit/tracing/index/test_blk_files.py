"""Files of blocks as nodes write them: veiled, out of order, with forks, unfinished."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from strongroom_core.assets import BITCOIN_REGTEST
from strongroom_tracing.index.builder import build
from strongroom_tracing.index.errors import BadBlockError, SourceError
from strongroom_tracing.index.service import folder_status
from strongroom_tracing.index.sources.blk_files import BlkFiles
from strongroom_tracing.index.sources.records import MAGICS, carries_work
from tests.unit.tracing.index.comparing import check_against_memory
from tests.unit.tracing.index.making import ChainMaker, hash_of, is_mined, made_block, made_coinbase

MAGIC = bytes.fromhex("fabfb5da")


def record(raw: bytes, magic: bytes = MAGIC) -> bytes:
    return magic + len(raw).to_bytes(4, "little") + raw


def write(folder: Path, blocks: list[bytes], *, files: int = 1, key: bytes = b"", tail: bytes = b"") -> Path:
    folder.mkdir(exist_ok=True)
    share = -(-len(blocks) // files)
    for number in range(files):
        data = b"".join(record(raw) for raw in blocks[number * share : (number + 1) * share]) + tail
        if key:
            data = bytes(byte ^ key[at % len(key)] for at, byte in enumerate(data))
        (folder / f"blk{number:05d}.dat").write_bytes(data)
    if key:
        (folder / "xor.dat").write_bytes(key)
    return folder


def test_files_in_order(place: Path):
    maker = ChainMaker(1).extend(20)
    source = BlkFiles(write(place / "blocks", maker.blocks, files=3))

    assert source.chain == f"bip122:{hash_of(maker.blocks[0])[::-1].hex()[:32]}"
    assert list(source.blocks(0, 19)) == maker.raw_blocks()
    assert list(source.blocks(7, 9)) == maker.raw_blocks()[7:10]
    assert source.hash_at(3) == maker.raw_blocks()[3].hash
    assert source.hash_at(20) is None
    assert source.hash_at(-1) is None


def test_files_veiled_and_out_of_order_and_with_forks(place: Path):
    maker = ChainMaker(1).extend(20)
    fork = maker.fork(10, seed=2).extend(5)
    blocks = maker.blocks + fork.blocks[11:]
    random.Random(3).shuffle(blocks)
    key = bytes(range(200, 208))
    source = BlkFiles(write(place / "blocks", blocks, files=3, key=key), chain=BITCOIN_REGTEST.id)
    build(place / "index", source)

    assert list(source.blocks(0, 19)) == maker.raw_blocks()
    check_against_memory(place / "index", maker)
    # The other branch grows longer; the index follows.
    fork.extend(10)
    build(place / "index", BlkFiles(write(place / "more", blocks + fork.blocks[16:]), chain=BITCOIN_REGTEST.id))
    check_against_memory(place / "index", fork)


@pytest.mark.parametrize("tail", [bytes(5000), MAGIC, MAGIC + (400).to_bytes(4, "little") + bytes(399), b"\xff" * 100])
def test_what_a_node_has_not_finished_is_passed_over(place: Path, tail: bytes):
    maker = ChainMaker(1).extend(5)
    assert list(BlkFiles(write(place / "blocks", maker.blocks, tail=tail)).blocks(0, 4)) == maker.raw_blocks()


def test_room_made_in_advance_is_not_veiled(place: Path):
    maker = ChainMaker(1).extend(5)
    # Read with the key, these zeros are a length that fits and 0x00000151 of a magic: only the magic tells them apart.
    folder = write(place / "blocks", maker.blocks, key=bytes([0x51, 1, 0, 0, 0x51, 1, 0, 0]))
    path = folder / "blk00000.dat"
    path.write_bytes(path.read_bytes() + bytes(1000 + -path.stat().st_size % 8))

    assert list(BlkFiles(folder).blocks(0, 4)) == maker.raw_blocks()
    assert len(BlkFiles(folder)._places) == 5


def test_a_pruned_node_needs_names(place: Path):
    maker = ChainMaker(1).extend(20)
    folder = write(place / "blocks", maker.blocks[8:])
    with pytest.raises(SourceError, match="name the chain"):
        BlkFiles(folder)
    build(place / "index", BlkFiles(folder, chain=BITCOIN_REGTEST.id, first_height=8))

    status = folder_status(place / "index")
    assert (status.first_height, status.blocks) == (8, 12)


def test_no_files_and_no_blocks(place: Path):
    with pytest.raises(SourceError, match="no blk"):
        BlkFiles(place)
    (place / "blk00000.dat").write_bytes(bytes(1000))
    with pytest.raises(SourceError, match="no block"):
        BlkFiles(place)
    (place / "xor.dat").write_bytes(b"")
    with pytest.raises(SourceError, match="empty"):
        BlkFiles(place)


def raw_file(folder: Path, data: bytes, key: bytes = b"") -> Path:
    """Write one file of these bytes."""
    folder.mkdir()
    (folder / "blk00000.dat").write_bytes(bytes(byte ^ key[at % 8] for at, byte in enumerate(data)) if key else data)
    if key:
        (folder / "xor.dat").write_bytes(key)
    return folder


HALF = record(ChainMaker(9).extend(1).blocks[0])[:-30]
GARBAGE = {
    "noise": random.Random(1).randbytes(3000),
    "magic": MAGIC,
    "a length without a block": MAGIC + (600).to_bytes(4, "little"),
    "a record cut short": HALF,
    "a record cut short, in room made in advance": HALF + bytes(500),
    "the rest of a block": ChainMaker(9).extend(1).blocks[0][50:],
    "magics": MAGIC * 50,
}


@pytest.mark.parametrize("key", [b"", bytes(range(200, 208))], ids=["plain", "veiled"])
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_what_a_crash_left_between_records_is_passed_over_and_said(
    place: Path, garbage: bytes, key: bytes, caplog: pytest.LogCaptureFixture
):
    maker = ChainMaker(1, mined=True).extend(9)
    parts = [record(raw) for raw in maker.blocks]
    before = b"".join(parts[:4])
    source = BlkFiles(raw_file(place / "blocks", before + garbage + b"".join(parts[4:]) + garbage, key))

    assert list(source.blocks(0, 8)) == maker.raw_blocks()
    if any(garbage) and not key:  # room made in advance is zeros only where it is not veiled
        ends = [(part.at, part.at + part.size) for part in source.skipped]
        assert ends[0][0] == len(before)
        assert sum(part.size for part in source.skipped) == 2 * len(garbage.rstrip(b"\0"))
    assert "no whole block in blk00000.dat from byte" in caplog.text


@pytest.mark.parametrize("known", [True, False])
def test_garbage_at_the_beginning_of_a_file(place: Path, *, known: bool):
    maker = ChainMaker(1, mined=True).extend(6)
    parts = [record(raw) for raw in maker.blocks]
    folder = raw_file(place / "blocks", b"\x07" * 99 + b"".join(parts[:3]))
    if known:
        (folder / "blk00001.dat").write_bytes(b"".join(parts[3:]))
        assert list(BlkFiles(folder).blocks(0, 5)) == maker.raw_blocks()
    else:
        assert list(BlkFiles(folder).blocks(0, 2)) == maker.raw_blocks()[:3]


def test_a_record_cut_short_does_not_swallow_those_behind_it(place: Path):
    maker = ChainMaker(1, mined=True).extend(8)
    parts = [record(raw) for raw in maker.blocks]
    # Block 3 was being written when the power went; its length reaches into the records that came later.
    folder = raw_file(place / "blocks", b"".join(parts[:3]) + parts[3][:100] + b"".join(parts[3:]))
    source = BlkFiles(folder)
    assert list(source.blocks(0, 7)) == maker.raw_blocks()
    (part,) = source.skipped
    assert (part.at, part.size) == (sum(map(len, parts[:3])), len(parts[3][:100].rstrip(b"\0")))


def test_a_record_inside_of_a_block_is_not_taken(place: Path):
    maker = ChainMaker(1, mined=True).extend(6)
    true = [record(raw) for raw in maker.blocks]
    # Somebody writes a whole block into a script; its header claims more work than all the others together.
    forged = made_block(hash_of(maker.blocks[4]), [made_coinbase(5, (50, b"\x51"))], bits=0x1D00FFFF)
    carrier = made_block(hash_of(maker.blocks[-1]), [made_coinbase(6, (0, b"\x6a" + record(forged)))])
    whole = BlkFiles(raw_file(place / "whole", b"".join(true) + record(carrier)))
    cut = BlkFiles(raw_file(place / "cut", b"".join(true[:3]) + record(carrier)[20:] + b"".join(true[3:])))

    assert whole.tip().height == 6
    assert list(cut.blocks(0, 9)) == maker.raw_blocks()


def mined(previous: bytes, height: int) -> bytes:
    """A block with the little work of its header: what anybody makes in a moment."""
    made = (made_block(previous, [made_coinbase(height, (50, b"\x51"))], nonce=nonce) for nonce in range(2**20))
    return next(raw for raw in made if is_mined(raw))


def test_records_inside_of_a_block_are_not_taken_for_the_chain(place: Path):
    maker = ChainMaker(1, mined=True).extend(6)
    true = [record(raw) for raw in maker.blocks]
    # One that carries its little work, and one behind it that claims more than all others together, and another magic.
    small = mined(hash_of(maker.blocks[2]), 3)
    forged = made_block(hash_of(small), [made_coinbase(4, (50, b"\x51"))], bits=0x03000001)
    written = b"\x6a" + record(small) + record(forged) + MAGIC
    carrier = made_block(hash_of(maker.blocks[-1]), [made_coinbase(6, (0, written))])
    cut = BlkFiles(raw_file(place / "cut", b"".join(true) + record(carrier)[20:]))

    assert list(cut.blocks(0, 9)) == maker.raw_blocks()


def test_a_block_of_hardly_any_work_behind_a_gap_is_not_the_tip(place: Path):
    main = bytes.fromhex("f9beb4d9")
    maker = ChainMaker(1).extend(4)
    # Of a main network's work; nobody asks for it where no gap comes before.
    tip = made_block(hash_of(maker.blocks[-1]), [made_coinbase(4, (50, b"\x51"))], bits=0x1D00FFFF)
    true = b"".join(record(raw, main) for raw in [*maker.blocks, tip])
    # The next block was being written when the power went; whoever knew the tip wrote another one into it.
    source = BlkFiles(raw_file(place / "blocks", true + bytes(40) + record(mined(hash_of(tip), 5), main)))

    assert source.tip().hash == hash_of(tip)[::-1].hex()


@pytest.mark.parametrize(("magic", "sha256", "scrypt"), [(0, True, False), (4, True, True), (5, False, True)])
def test_work_is_by_the_network_s_own_function(magic: int, *, sha256: bool, scrypt: bool):
    carried = set[tuple[bool, bool]]()
    for nonce in range(200):
        header = made_block(bytes(32), [made_coinbase(0, (50, b"\x51"))], nonce=nonce)[:80]
        by_sha256 = is_mined(header)
        by_scrypt = hashlib.scrypt(header, salt=header, n=1024, r=1, p=1, dklen=32)[-1] <= 0x7F
        if by_sha256 != by_scrypt:
            carried.add((by_sha256, carries_work(header, MAGICS[magic])))
    assert carried == {(True, sha256), (False, scrypt)}


def test_a_block_that_was_harmed_where_it_stands_is_refused_by_its_height(place: Path):
    maker = ChainMaker(1).extend(8)
    data = bytearray(b"".join(record(raw) for raw in maker.blocks))
    data[sum(len(record(raw)) for raw in maker.blocks[:5]) - 10] ^= 1
    with pytest.raises(BadBlockError, match=r"block 4 .* merkle root"):
        build(place / "index", BlkFiles(raw_file(place / "blocks", bytes(data)), chain=BITCOIN_REGTEST.id))
