"""Files of blocks as nodes write them: veiled, out of order, with forks, unfinished."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from strongroom_core.assets import BITCOIN_REGTEST
from strongroom_tracing.index.builder import build
from strongroom_tracing.index.errors import SourceError
from strongroom_tracing.index.service import folder_status
from strongroom_tracing.index.sources.blk_files import BlkFiles
from tests.unit.tracing.index.comparing import check_against_memory
from tests.unit.tracing.index.making import ChainMaker, hash_of

MAGIC = bytes.fromhex("fabfb5da")


def record(raw: bytes) -> bytes:
    return MAGIC + len(raw).to_bytes(4, "little") + raw


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
