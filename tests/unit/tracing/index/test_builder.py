"""The index on disk: in steps or at once, after reorgs, beside readers."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from strongroom_core.assets import BITCOIN, BITCOIN_REGTEST
from strongroom_tracing.index import locks, parquet
from strongroom_tracing.index.builder import build
from strongroom_tracing.index.errors import (
    BadBlockError,
    ChainMovedError,
    IndexBusyError,
    IndexDamagedError,
    IndexMissingError,
    IndexOutdatedError,
    SourceError,
    WrongChainError,
)
from strongroom_tracing.index.model import RawBlock, Tip
from strongroom_tracing.index.service import Index, folder_status, in_memory
from strongroom_tracing.index.sources.parquet import ParquetSource
from strongroom_tracing.index.sources.raw import BlockFile, RawFiles
from strongroom_tracing.index.tables import Tables
from tests.unit.tracing import kit
from tests.unit.tracing.index.comparing import check_against_memory, files_of, same_data
from tests.unit.tracing.index.making import ChainMaker, ListSource, made_block, made_coinbase, made_tx

PARTITION = 16
SMALL = 3_000  # bytes in a batch: a few blocks


def built(folder: Path, maker: ChainMaker, *, batch_bytes: int = SMALL, until: int | None = None) -> Path:
    build(folder, ListSource(maker), batch_bytes=batch_bytes, partition=PARTITION, until=until)
    return folder


def test_an_index_on_disk_is_that_in_memory(place: Path):
    maker = ChainMaker(1).extend(40)
    status = build(built(place / "index", maker), ListSource(maker))

    check_against_memory(place / "index", maker)
    assert status.tip == Tip(39, maker.raw_blocks()[-1].hash)
    assert status.parquet_through == 39
    assert status == folder_status(place / "index")
    assert status.stored_bytes == sum(path.stat().st_size for path in files_of(place / "index"))
    memory = in_memory(maker.raw_blocks(), BITCOIN_REGTEST).status()
    assert (status.txs, status.inputs, status.outputs) == (memory.txs, memory.inputs, memory.outputs)


def test_steps_of_any_size_make_the_same_bytes(place: Path):
    maker = ChainMaker(2).extend(50)
    whole = built(place / "whole", maker, batch_bytes=10**9)
    small = built(place / "small", maker, batch_bytes=1)
    for height in (0, 7, 15, 16, 31, 32, 40):
        built(place / "steps", maker, until=height)
        assert folder_status(place / "steps").parquet_through == height
    steps = built(place / "steps", maker)

    for other in (small, steps):
        same_data(whole, other)
        check_against_memory(other, maker)


def test_building_again_asks_for_nothing_and_changes_nothing(place: Path):
    maker = ChainMaker(2).extend(20)
    folder = built(place / "index", maker)
    before = {path: path.read_bytes() for path in files_of(folder)}
    source = ListSource(maker)
    build(folder, source)

    assert source.given == []
    assert {path: path.read_bytes() for path in files_of(folder)} == before


def test_progress_counts_blocks(place: Path):
    seen: list[tuple[int, int]] = []
    build(place, ListSource(ChainMaker(2).extend(20)), batch_bytes=SMALL, progress=lambda *done: seen.append(done))

    assert len(seen) > 2
    assert [total for _, total in seen] == [20] * len(seen)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (20, 20)


@pytest.mark.parametrize("depth", [1, 2, 9, 17, 35, 39])
def test_blocks_that_a_reorg_took_away_leave_no_trace(place: Path, depth: int):
    old = ChainMaker(3).extend(40)
    new = old.fork(39 - depth, seed=4).extend(depth + 1)
    folder = built(built(place / "index", old), new)

    same_data(built(place / "fresh", new), folder)
    check_against_memory(folder, new)
    # And back again, as when two parts of the network disagree.
    back = old.fork(39, seed=3).extend(5)
    same_data(built(place / "back", back), built(folder, back))
    check_against_memory(folder, back)


def test_a_source_that_is_behind_changes_nothing(place: Path):
    maker = ChainMaker(3).extend(30)
    folder = built(place / "index", maker)
    before = folder_status(folder)

    built(folder, maker.fork(20, seed=3))
    assert folder_status(folder) == before


def test_a_shorter_chain_that_differs_is_followed(place: Path):
    # A node whose operator called invalidateblock has a shorter best chain for a while.
    old = ChainMaker(3).extend(40)
    new = old.fork(20, seed=8).extend(2)
    folder = built(built(place / "index", old), new)

    assert folder_status(folder).tip == Tip(22, new.raw_blocks()[-1].hash)
    same_data(built(place / "fresh", new), folder)


def test_another_chain_is_refused(place: Path):
    folder = built(place / "index", ChainMaker(3).extend(5))
    with pytest.raises(WrongChainError, match="in common"):
        built(folder, ChainMaker(4).extend(9))
    with pytest.raises(WrongChainError, match="follows"):
        build(folder, ListSource(ChainMaker(3).extend(9), chain=BITCOIN.id))


def test_a_chain_that_moves_while_it_is_read_is_read_again(place: Path):
    old = ChainMaker(5).extend(30)
    new = old.fork(14, seed=6).extend(20)

    class Moving(ListSource):
        def blocks(self, first: int, last: int):
            for block in super().blocks(first, last):
                if block.height == 20 and self.maker is old:
                    self.maker = new
                    yield new.raw_blocks()[20]
                else:
                    yield block

    folder = place / "index"
    build(folder, Moving(old), batch_bytes=SMALL, partition=PARTITION)

    same_data(built(place / "fresh", new), folder)


def test_a_source_that_never_fits_is_given_up(place: Path):
    maker, other = ChainMaker(5).extend(30), ChainMaker(6).extend(30)

    class Broken(ListSource):
        def blocks(self, first: int, last: int):
            self.given.append(first)
            for block in super().blocks(first, last):
                yield block if block.height < 20 else other.raw_blocks()[block.height]

    source = Broken(maker)
    with pytest.raises(ChainMovedError):
        build(place / "index", source, batch_bytes=SMALL, partition=PARTITION)
    # What was good before is kept, and goes on with a good source.
    assert folder_status(place / "index").blocks > 0
    same_data(built(place / "fresh", maker), built(place / "index", maker))


def test_a_bad_block_stops_and_keeps_what_came_before(place: Path):
    maker = ChainMaker(5).extend(30)
    good = maker.blocks[25]
    maker.blocks[25] = good[:-1]
    with pytest.raises(BadBlockError, match="block 25"):
        built(place / "index", maker)
    maker.blocks[25] = good

    assert 0 < folder_status(place / "index").blocks <= 25
    same_data(built(place / "fresh", maker), built(place / "index", maker))


def test_parquet_makes_the_same_index_again(place: Path):
    maker = ChainMaker(7).extend(50)
    folder = built(place / "index", maker)
    source = ParquetSource(folder / "parquet")
    build(place / "again", source, partition=PARTITION)

    same_data(folder, place / "again")
    check_against_memory(place / "again", maker)
    # In steps that end within partitions, too.
    for height in (3, 20, 33):
        build(place / "steps", source, partition=PARTITION, until=height)
    build(place / "steps", source, partition=PARTITION)
    same_data(folder, place / "steps")


def test_parquet_of_blocks_with_gaps_and_outside_values(place: Path, shared_data: Path):
    folder = shared_data / "btc_blocks"
    files = [
        BlockFile(height, folder / f"bcoin_block{height}.raw", folder / f"bcoin_block{height}-undo.raw")
        for height in kit.TESTNET_HEIGHTS
    ]
    index = kit.testnet(shared_data)
    build(place / "index", RawFiles(index.chain, files), partition=100)
    build(place / "again", ParquetSource(place / "index" / "parquet"), partition=100)

    same_data(place / "index", place / "again")
    with Index.open(place / "again") as opened:
        assert opened.dataset_hash(928927) == index.dataset_hash(928927)
        for name in ("input_spent", "external_value", "output_value", "output_address", "output_spending"):
            assert np.array_equal(getattr(opened.columns, name), getattr(index.columns, name)), name


@pytest.mark.parametrize("harm", ["cut", "gone", "other"])
def test_broken_parquet_is_refused(place: Path, harm: str):
    folder = built(place / "index", ChainMaker(7).extend(50))
    root = folder / "parquet"
    victim = root / "outputs" / "height=000000016" / "part.parquet"
    if harm == "cut":
        victim.write_bytes(victim.read_bytes()[:-20])
    elif harm == "gone":
        shutil.rmtree(root / "blocks" / "height=000000016")
    else:
        shutil.copyfile(root / "outputs" / "height=000000032" / "part.parquet", victim)
    with pytest.raises(SourceError):
        build(place / "again", ParquetSource(root), partition=PARTITION)
    with pytest.raises(SourceError):
        ParquetSource(place)


def _foreign(place: Path) -> Path:
    """Write Parquet files of a block that spends an output from before the index."""
    scripts = (b"\x51", b"\x52")
    paid = made_tx([(b"\x09" * 32, 0)], [(7, scripts[0]), (3, scripts[1])])
    raw = made_block(b"\x09" * 32, [made_coinbase(777, (50, scripts[0]), (60, scripts[1])), paid])
    (place / "raw").write_bytes(raw)
    (place / "undo").write_bytes((77).to_bytes(8, "little") + b"\0")
    build(place / "index", RawFiles(BITCOIN_REGTEST.id, [BlockFile(777, place / "raw", place / "undo")]))
    return place / "index" / "parquet"


@pytest.mark.parametrize(
    ("table", "column", "numbers"),
    [
        ("outputs", "address", [0, 1, -(10**9), 1]),
        ("outputs", "address", [0, 1, -1, 1]),
        ("outputs", "value", [50, 60, -1, 3]),
        ("outputs", "value", [50, 60, 10**17 + 1, 3]),
        ("outputs", "value", [50, 60, 10**17, 10**17]),
        ("inputs", "value", [None, -2]),
        ("inputs", "value", [None, 10**17 + 1]),
        ("txs", "inputs", [-1, 3]),
        ("txs", "outputs", [-1000, 1004]),
        ("txs", "outputs", [5, -1]),
        ("blocks", "txs", [-2]),
    ],
)
def test_parquet_of_impossible_numbers_is_refused_before_it_is_added(
    place: Path, table: str, column: str, numbers: list[int | None]
):
    root = _foreign(place)
    build(place / "again", ParquetSource(root))
    _overwrite(root, table, column, numbers)
    with pytest.raises(BadBlockError) as caught:
        build(place / "other", ParquetSource(root))

    assert caught.value.code == "block-bad"
    assert folder_status(place / "other").blocks == 0


def test_parquet_with_missing_numbers_is_refused(place: Path):
    root = _foreign(place)
    _overwrite(root, "inputs", "spent", [-1, None])
    with pytest.raises(SourceError, match="lack the spent"):
        build(place / "other", ParquetSource(root))


def _overwrite(root: Path, table: str, column: str, numbers: list[int | None]) -> None:
    (path,) = (root / table).glob("*/part.parquet")
    rows = pq.ParquetFile(path).read()
    place = rows.schema.get_field_index(column)
    pq.write_table(rows.set_column(place, rows.schema.field(place), pa.array(numbers, pa.int64())), path)


def test_garbage_behind_what_counts_is_cut_off(place: Path):
    maker = ChainMaker(8).extend(40)
    folder = built(place / "index", maker, until=20)
    for path in (folder / "columns").iterdir():
        with path.open("ab") as file:
            file.write(b"\x05\0\0\0\0\0\0\0" * 3 + b"torn")  # a machine that lost its power may leave anything
    (folder / "runs" / "00009999.run").write_bytes(b"torn")
    with Index.open(folder) as index:
        assert index.tip.height == 20

    same_data(built(place / "fresh", maker), built(folder, maker))
    check_against_memory(folder, maker)


def test_a_column_that_lost_entries_is_refused(place: Path):
    maker = ChainMaker(8).extend(20)
    folder = built(place / "index", maker)
    path = folder / "columns" / "txid.bin"
    path.write_bytes(path.read_bytes()[:-32])
    for use in (lambda: Index.open(folder), lambda: folder_status(folder), lambda: built(folder, maker)):
        with pytest.raises(IndexDamagedError, match=r"txid.bin is missing or damaged"):
            use()
    path.unlink()
    for use in (lambda: Index.open(folder), lambda: built(folder, maker)):
        with pytest.raises(IndexDamagedError, match=r"txid.bin is missing or damaged"):
            use()


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"\xff", b'{"format":2}', b'{"format":2,"counts":{"x":1}}'])
def test_a_manifest_that_is_none_is_refused(place: Path, text: bytes):
    folder = built(place / "index", ChainMaker(8).extend(3))
    (folder / "manifest.json").write_bytes(text)
    for use in (lambda: Index.open(folder), lambda: built(folder, ChainMaker(8).extend(5))):
        with pytest.raises(IndexDamagedError) as caught:
            use()
        assert caught.value.code == "index-damaged"


def test_parquet_never_holds_two_branches(place: Path, monkeypatch: pytest.MonkeyPatch):
    old = ChainMaker(8).extend(5 * PARTITION)
    new = old.fork(PARTITION + 3, seed=9).extend(4 * PARTITION)
    folder = built(place / "index", old)
    real, done = parquet.write_partition, list[int]()

    def dies(folder: Path, tables: Tables, start: int, end: int) -> None:
        if done:
            raise KeyboardInterrupt
        done.append(start)
        real(folder, tables, start, end)

    monkeypatch.setattr(parquet, "write_partition", dies)
    with pytest.raises(KeyboardInterrupt):
        built(folder, new)
    source = ParquetSource(folder / "parquet")
    assert done == [PARTITION]
    assert source.tip().height == 2 * PARTITION - 1
    assert source.hash_at(2 * PARTITION - 1) == new.raw_blocks()[2 * PARTITION - 1].hash


@pytest.mark.parametrize("changed", ["[]", "{}", '{"format":1}', '"partition": 0', '"first_height": "0"'])
def test_parquet_files_of_nothing_known_are_refused(place: Path, changed: str):
    folder = built(place / "index", ChainMaker(8).extend(3))
    described = folder / "parquet" / "dataset.json"
    name = changed.partition(":")[0]
    lies = re.sub(f"{name}: [0-9]+", changed, described.read_text()) if changed.startswith('"') else changed
    described.write_text(lies)
    with pytest.raises(SourceError, match="missing or broken"):
        ParquetSource(folder / "parquet")


def test_no_index_and_one_of_another_release(place: Path):
    with pytest.raises(IndexMissingError, match="no index"):
        Index.open(place)
    folder = built(place / "index", ChainMaker(8).extend(3))
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 2', '"format": 99'))
    for use in (lambda: Index.open(folder), lambda: built(folder, ChainMaker(8).extend(5))):
        with pytest.raises(IndexOutdatedError, match="another release") as caught:
            use()
        assert caught.value.code == "index-outdated"


def test_an_index_without_digests_is_built_anew_from_its_own_parquet(place: Path):
    maker = ChainMaker(8).extend(20)
    folder = built(place / "index", maker)
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 2', '"format": 1'))
    (folder / "columns" / "block_digest.bin").unlink()
    with pytest.raises(IndexOutdatedError) as caught:
        Index.open(folder)

    (named,) = re.findall(r"--parquet ([^)]+)", caught.value.message)
    build(place / "again", ParquetSource(Path(named)), partition=PARTITION)
    same_data(built(place / "fresh", maker), place / "again")


def test_one_builder_at_a_time(place: Path):
    folder = built(place / "index", ChainMaker(8).extend(3))
    with locks.locked(folder, locks.BUILDER), pytest.raises(IndexBusyError, match="another process builds"):
        built(folder, ChainMaker(8).extend(5))


def test_nothing_changes_under_a_reader(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("strongroom_tracing.index.locks.PATIENCE_S", 0.1)
    folder = built(place / "index", ChainMaker(8).extend(10))
    with Index.open(folder) as index:
        before = index.columns.output_spending.copy()
        with pytest.raises(IndexBusyError, match="close it"):
            built(folder, ChainMaker(8).extend(30))
        assert np.array_equal(index.columns.output_spending, before)

    same_data(built(place / "fresh", ChainMaker(8).extend(30)), built(folder, ChainMaker(8).extend(30)))


def test_a_reader_keeps_nobody_from_seeing_that_there_is_nothing_new(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("strongroom_tracing.index.locks.PATIENCE_S", 0.1)
    folder = built(place / "index", ChainMaker(8).extend(10))
    with Index.open(folder), Index.open(folder) as second:
        assert built(folder, ChainMaker(8).extend(10)) == folder
        assert second.tip.height == 9


def test_stopping_by_hand_leaves_an_index_that_goes_on(place: Path):
    maker = ChainMaker(8).extend(40)

    def stop(done: int, total: int) -> None:
        if done > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(place / "index", ListSource(maker), batch_bytes=SMALL, partition=PARTITION, progress=stop)
    assert 10 < folder_status(place / "index").blocks < 40
    same_data(built(place / "fresh", maker), built(place / "index", maker))


def test_a_key_press_does_not_wait_for_a_source_that_is_slow(place: Path):
    maker = ChainMaker(8).extend(40)
    go_on, asked, waited = threading.Event(), threading.Event(), threading.Event()

    class Slow(ListSource):
        def blocks(self, first: int, last: int):
            for block in super().blocks(first, last):
                if block.height == 20:
                    asked.set()
                    go_on.wait(60)
                    waited.set()
                yield block

    def stop(done: int, total: int) -> None:
        if asked.wait(1):
            raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            build(place / "index", Slow(maker), batch_bytes=SMALL, partition=PARTITION, progress=stop)
        assert not waited.is_set()
        same_data(built(place / "fresh", maker), built(place / "index", maker))
    finally:
        go_on.set()


def test_an_index_may_begin_anywhere(place: Path):
    blocks = [made_coinbase(height, (height, b"")) for height in range(3)]
    raw = made_block(b"\x09" * 32, [blocks[0]])
    path = place / "one.raw"
    path.write_bytes(raw)
    status = build(place / "index", RawFiles(BITCOIN_REGTEST.id, [BlockFile(777, path)]))

    assert (status.first_height, status.tip and status.tip.height, status.blocks) == (777, 777, 1)
    assert [RawBlock(777, "", raw)] == list(RawFiles(BITCOIN_REGTEST.id, [BlockFile(777, path)]).blocks(777, 777))
