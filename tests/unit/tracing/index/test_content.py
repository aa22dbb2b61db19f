"""The dataset hash: all that an index knows is in it, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import struct
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from strongroom_core.assets import BITCOIN, BITCOIN_REGTEST
from strongroom_tracing.columns import COINBASE
from strongroom_tracing.index.builder import build
from strongroom_tracing.index.content import COVERED, KINDS
from strongroom_tracing.index.errors import BadBlockError
from strongroom_tracing.index.layout import ADDRESS_COUNTS, DIGESTS, FILES
from strongroom_tracing.index.model import BlockSource, RawBlock
from strongroom_tracing.index.service import Index, in_memory
from strongroom_tracing.index.sources.blk_files import BlkFiles
from strongroom_tracing.index.sources.parquet import ParquetSource
from strongroom_tracing.index.sources.raw import BlockFile, RawFiles
from tests.unit.tracing import kit
from tests.unit.tracing.index.comparing import same_data
from tests.unit.tracing.index.making import ChainMaker, ListSource, hash_of, made_block, made_coinbase, made_tx
from tests.unit.tracing.index.test_blk_files import write

PARTITION = 16
TIP = 777


def numbers(values: Iterable[int]) -> bytes:
    return b"".join(struct.pack("<q", value) for value in values)


def slow_hashes(index: Index) -> list[str]:
    """The hash at each height, by the words of the module's docstring, one entry at a time."""
    columns, digest = index.columns, hashlib.sha256()
    digest.update(f"strongroom-tracing dataset 2\n{columns.chain}\n{columns.first_height}\n".encode())
    last, found, addresses, outside, script_end = digest.digest(), [], 0, 0, 0
    for block in range(columns.blocks):
        txs = range(int(columns.block_first_tx[block]), int(columns.block_first_tx[block + 1]))
        inputs = range(int(columns.tx_first_input[txs.start]), int(columns.tx_first_input[txs.stop]))
        outputs = range(int(columns.tx_first_output[txs.start]), int(columns.tx_first_output[txs.stop]))
        external = [n for n in inputs if columns.input_spent[n] < COINBASE]
        known = addresses
        addresses = max([known, *(int(columns.output_address[n]) + 1 for n in outputs)])
        scripts = [index.script(n) for n in range(known, addresses)]
        ends = [script_end := script_end + len(script) for script in scripts]
        data = last + numbers(
            (1, len(txs), len(inputs), len(external), len(outputs), len(scripts), sum(map(len, scripts)))
        )
        data += columns.block_hash[block].tobytes() + numbers((columns.block_time[block], txs.stop))
        data += b"".join(columns.txid[tx].tobytes() for tx in txs)
        data += numbers(columns.tx_first_input[tx + 1] for tx in txs)
        data += numbers(columns.tx_first_output[tx + 1] for tx in txs)
        data += numbers(columns.input_spent[n] for n in inputs)
        data += numbers(columns.external_value[outside : outside + len(external)])
        data += numbers(columns.output_value[n] for n in outputs) + numbers(columns.output_address[n] for n in outputs)
        data += numbers(ends) + b"".join(scripts)
        outside += len(external)
        last = hashlib.sha256(data).digest()
        found.append(last.hex())
    return found


def hashes(index: Index) -> list[str]:
    first = index.columns.first_height
    return [index.dataset_hash(first + block) for block in range(index.columns.blocks)]


def test_hashes_are_those_of_a_slow_reading(shared_data: Path):
    made = in_memory(ChainMaker(4).extend(12).raw_blocks(), BITCOIN_REGTEST)
    recorded = in_memory(kit.testnet_blocks(shared_data)[-2:], BITCOIN_REGTEST, gaps=True)

    assert recorded.columns.blocks > 70  # gaps among them
    assert len(recorded.columns.external_value) > 100
    for index in (made, recorded):
        assert hashes(index) == slow_hashes(index)


def test_every_column_is_covered_that_says_more_than_the_others():
    assert set(FILES) - set(COVERED) == {"output_spending", ADDRESS_COUNTS, DIGESTS}
    assert {name: FILES[name][2] for name in COVERED} == COVERED
    assert set(KINDS) == set(COVERED.values())


def test_chain_and_first_height_are_in_it():
    blocks = ChainMaker(4).extend(5).raw_blocks()
    index = in_memory(blocks, BITCOIN_REGTEST)

    assert in_memory(blocks[:3], BITCOIN_REGTEST).dataset_hash(2) == index.dataset_hash(2)
    assert in_memory(blocks, BITCOIN).dataset_hash(2) != index.dataset_hash(2)
    moved = [dataclasses.replace(block, height=block.height + 1) for block in blocks]
    assert in_memory(moved, BITCOIN_REGTEST).dataset_hash(3) != index.dataset_hash(2)
    assert len(set(hashes(index))) == 5
    for height in (-1, 5):
        with pytest.raises(BadBlockError):
            index.dataset_hash(height)


def late_blocks(*values: int | None) -> list[RawBlock]:
    """Blocks from some height on; each spends an output from before, of a value that the undo data gives."""
    blocks, previous = [], b"\x09" * 32
    for number, value in enumerate(values):
        paid = made_tx([(bytes([number + 1]) * 32, 0)], [(7, b"\x51"), (3, b"\x52")])
        raw = made_block(previous, [made_coinbase(TIP + number, (50, b"\x51")), paid])
        previous = hash_of(raw)
        undo = None if value is None else value.to_bytes(8, "little") + b"\0"
        blocks.append(RawBlock(TIP + number, previous[::-1].hex(), raw, undo))
    return blocks


@pytest.mark.parametrize("lie", [76, 0, None])
def test_undo_data_of_a_liar_makes_another_hash(lie: int | None):
    true, false = (hashes(in_memory(late_blocks(70, value, 80), BITCOIN_REGTEST)) for value in (77, lie))

    assert true[0] == false[0]
    assert true[1] != false[1]
    assert true[2] != false[2]  # whatever comes after a lie rests on it


def test_however_it_is_built_it_is_the_same(place: Path):
    maker = ChainMaker(7).extend(40)
    memory = hashes(in_memory(maker.raw_blocks(), BITCOIN_REGTEST))
    raw = [place / f"{height}.raw" for height in range(40)]
    for path, block in zip(raw, maker.blocks, strict=True):
        path.write_bytes(block)
    build(place / "whole", ListSource(maker), partition=PARTITION)
    sources: dict[str, BlockSource] = {
        "node": ListSource(maker),
        "raw": RawFiles(BITCOIN_REGTEST.id, [BlockFile(height, path) for height, path in enumerate(raw)]),
        "blk": BlkFiles(write(place / "blocks", maker.blocks, files=2), chain=BITCOIN_REGTEST.id),
        "parquet": ParquetSource(place / "whole" / "parquet"),
    }
    for name, source in sources.items():
        for until in (3, 17, None):
            build(place / name, source, partition=PARTITION, batch_bytes=2_000, until=until)
        with Index.open(place / name) as index:
            assert hashes(index) == memory, name


def test_values_from_before_come_through_parquet(place: Path):
    blocks = late_blocks(70, None, 80)
    files = []
    for block in blocks:
        (place / f"{block.height}.raw").write_bytes(block.raw)
        undo = None if block.undo is None else place / f"{block.height}.undo"
        if undo is not None and block.undo is not None:
            undo.write_bytes(block.undo)
        files.append(BlockFile(block.height, place / f"{block.height}.raw", undo))
    build(place / "raw", RawFiles(BITCOIN_REGTEST.id, files))
    build(place / "parquet", ParquetSource(place / "raw" / "parquet"))

    same_data(place / "raw", place / "parquet")
    with Index.open(place / "parquet") as index:
        assert hashes(index) == hashes(in_memory(blocks, BITCOIN_REGTEST))


@pytest.mark.parametrize(
    ("table", "column"), [("blocks", "time"), ("txs", "txid"), ("outputs", "value"), ("outputs", "script")]
)
def test_rows_of_a_liar_make_another_hash(place: Path, table: str, column: str):
    build(place / "index", ListSource(ChainMaker(7).extend(20)), partition=PARTITION)
    lies = place / "lies"
    shutil.copytree(place / "index" / "parquet", lies)
    path = lies / table / "height=000000016" / "part.parquet"
    rows = pq.ParquetFile(path).read()
    at = rows.schema.get_field_index(column)
    values = rows.column(column).to_pylist()
    scripts: list[bytes] = rows.column("script").to_pylist() if column == "script" else []
    changed = len(values) - 1
    if column == "script":  # all that are paid to one address, which is new in this partition
        known = in_memory(ChainMaker(7).extend(16).raw_blocks(), BITCOIN_REGTEST).columns.addresses
        address = rows.column("address").to_pylist()
        changed = next(n for n, number in enumerate(address) if number >= known)
        values = [b"\x6atold" if script == scripts[changed] else script for script in scripts]
    elif column == "txid":
        values[changed] = bytes(31) + b"\x01"
    else:
        values[changed] -= 1 if values[changed] else -1
    block = rows.column("block").to_pylist()[changed]
    pq.write_table(rows.set_column(at, rows.schema.field(at), pa.array(values, rows.schema.field(at).type)), path)
    build(place / "false", ParquetSource(lies), partition=PARTITION)

    with Index.open(place / "index") as true, Index.open(place / "false") as false:
        assert true.dataset_hash(block - 1) == false.dataset_hash(block - 1)
        assert true.dataset_hash(block) != false.dataset_hash(block)
        assert true.dataset_hash(19) != false.dataset_hash(19)


def test_a_reorg_takes_hashes_back_with_their_blocks(place: Path):
    old = ChainMaker(3).extend(30)
    new = old.fork(19, seed=4).extend(15)
    build(place / "index", ListSource(old), partition=PARTITION)
    with Index.open(place / "index") as index:
        before = hashes(index)
    build(place / "index", ListSource(new), partition=PARTITION)
    with Index.open(place / "index") as index:
        after = hashes(index)

    assert len(after) == 35
    assert [one == other for one, other in zip(before, after, strict=False)] == [True] * 20 + [False] * 10
    assert after == hashes(in_memory(new.raw_blocks(), BITCOIN_REGTEST))
