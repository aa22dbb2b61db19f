"""Saved clusters: the same bytes for the same chain, extended as if made anew, reorgs, damage and other settings."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from strongroom_tracing.clusters import locks, store
from strongroom_tracing.clusters.changes import ChangeFinder
from strongroom_tracing.clusters.errors import ClustersBusyError, ClustersDamagedError, ClustersMissingError
from strongroom_tracing.clusters.model import Clusters, Settings
from strongroom_tracing.clusters.peeling import chain_through
from strongroom_tracing.clusters.service import cluster
from strongroom_tracing.clusters.tables import changes_table, members_table, peels_table, reasons_table
from strongroom_tracing.columns import COINBASE, Columns
from strongroom_tracing.files import replace_file
from tests.unit.tracing.clusters.chains import Made
from tests.unit.tracing.clusters.test_forest import same


@dataclass
class OneIndex:
    """An index that only has columns; its dataset hash is as an index makes it."""

    columns: Columns

    def dataset_hash(self, height: int) -> str:
        return hashlib.sha256(self.columns.block_hash[: height + 1].tobytes()).hexdigest()


def history(txs: int, *, fork: int | None = None) -> Made:
    """Make a chain of payments that join ever more addresses; from ``fork`` on another one."""
    chain = Made()
    for number in range(txs):
        other = "" if fork is None or number < fork else "x"
        if other:
            chain.tx(chain.mint(("fork", 5)), ("fork", 4))
        coins = chain.mint((f"a{number}{other}", 10), (f"a{number // 2}", 10))
        chain.tx(coins, (f"b{number}{other}", 20))
    return chain


def index_of(chain: Made, txs: int | None = None) -> OneIndex:
    columns = chain.columns(txs)
    hashes = np.zeros((columns.blocks, 32), dtype=np.uint8)
    for block in range(columns.blocks):  # a block's hash is over what is in it and all before
        spent = columns.input_spent[: columns.tx_first_input[block + 1]].tobytes()
        paid = columns.output_address[: columns.tx_first_output[block + 1]].tobytes()
        hashes[block] = list(hashlib.sha256(spent + paid).digest())
    return OneIndex(replace(columns, block_hash=hashes))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_chain_gives_the_same_bytes_however_it_grew(tmp_path: Path):
    chain = history(12)
    at_once = store.update(tmp_path / "at once", index_of(chain))
    for txs in (5, 6, 17):
        store.update(tmp_path / "grown", index_of(chain, txs))
    grown = store.update(tmp_path / "grown", index_of(chain))
    assert same(grown, at_once)
    assert same(at_once, cluster(chain.columns()))
    assert files(tmp_path / "grown") == files(tmp_path / "at once")
    assert same(store.load(tmp_path / "grown", index_of(chain)), at_once)
    assert at_once.why(0, 11) == cluster(chain.columns()).why(0, 11)


@pytest.mark.parametrize("fork", [0, 3, 9, 11])
def test_after_a_reorg_they_are_as_if_made_anew(tmp_path: Path, fork: int):
    store.update(tmp_path, index_of(history(12)))
    other = index_of(history(12, fork=fork))
    with pytest.raises(ClustersDamagedError):
        store.load(tmp_path, other)
    assert same(store.update(tmp_path, other), cluster(other.columns))
    assert store.read_manifest(tmp_path).dataset_hash == other.dataset_hash(other.columns.blocks - 1)


def begun_at(chain: Made, first: int) -> Columns:
    """Give what an index of a chain from a later block on has: other numbers of the same addresses and chain txs."""
    later = Made()
    dropped = sum(1 for output in chain.outputs if output[2] < first)
    for number, coins in enumerate(chain.spent[first:], start=first):
        outs = [(address, value) for address, value, tx in chain.outputs if tx == number]
        kept = [coin - dropped if coin >= dropped else coin if coin == COINBASE else later.before(-1) for coin in coins]
        later.tx([] if kept == [COINBASE] else kept, *outs)
    return replace(later.columns(), first_height=first)


@dataclass
class LaterIndex(OneIndex):
    """An index from a later block on; it names its data as the index of the whole chain does."""

    whole: OneIndex

    def dataset_hash(self, height: int) -> str:
        return self.whole.dataset_hash(height)


def later_index(chain: Made, first: int) -> LaterIndex:
    whole = index_of(chain)
    return LaterIndex(replace(begun_at(chain, first), block_hash=whole.columns.block_hash[first:]), whole)


@pytest.mark.parametrize("first", [1, 5, 8])
def test_an_index_from_another_first_block_makes_them_anew(tmp_path: Path, first: int):
    chain = history(12)
    store.update(tmp_path, index_of(chain))
    later = later_index(chain, first)
    with pytest.raises(ClustersDamagedError):
        store.load(tmp_path, later)
    assert same(store.update(tmp_path, later), cluster(later.columns))
    assert store.read_manifest(tmp_path).first_height == first
    assert same(store.update(tmp_path, index_of(chain)), cluster(chain.columns()))


def test_a_fork_below_the_first_block_makes_them_anew(tmp_path: Path):
    store.update(tmp_path, later_index(history(12), 6))
    other = later_index(history(12, fork=1), 6)
    assert same(store.update(tmp_path, other), cluster(other.columns))


def test_a_manifest_that_does_not_say_its_first_block_is_made_anew(tmp_path: Path):
    index = index_of(history(6))
    store.update(tmp_path, index)
    manifest = json.loads((tmp_path / store.MANIFEST).read_text())
    del manifest["first_height"]
    (tmp_path / store.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ClustersDamagedError):
        store.load(tmp_path, index)
    assert same(store.update(tmp_path, index), cluster(index.columns))


def test_a_shorter_best_chain_takes_blocks_back(tmp_path: Path):
    store.update(tmp_path, index_of(history(12)))
    assert same(store.update(tmp_path, index_of(history(12), 20)), cluster(history(12).columns(20)))


def test_a_reorg_deeper_than_what_is_kept_makes_them_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "DEEPEST", 3)
    store.update(tmp_path, index_of(history(12)))
    assert len(store.read_manifest(tmp_path).earlier_hashes) == 3
    other = index_of(history(12, fork=2))
    assert same(store.update(tmp_path, other), cluster(other.columns))


def test_other_settings_make_them_anew(tmp_path: Path):
    index = index_of(history(6))
    store.update(tmp_path, index)
    settings = Settings(excluded=(1, 3))
    assert same(store.update(tmp_path, index, settings), cluster(index.columns, settings))
    assert store.load(tmp_path, index).settings == settings
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


def test_settings_that_name_new_chain_txs_only_add_to_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    chain = history(6)
    store.update(tmp_path, index_of(chain, 6), Settings(unowned=(99, 1)))
    settings = Settings(excluded=(7, 9), unowned=(1, 98))
    with monkeypatch.context() as patch:
        patch.setattr(store, "cluster", None)  # nothing is made anew
        grown = store.update(tmp_path, index_of(chain), settings)
    assert same(grown, cluster(chain.columns(), settings))
    assert grown.settings == settings


def test_up_to_date_clusters_are_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    index = index_of(history(6))
    store.update(tmp_path, index)
    monkeypatch.setattr(store, "save", None)
    assert same(store.update(tmp_path, index), cluster(index.columns))


def test_what_a_manifest_names_is_durable_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    done, real = list[str](), os.fsync

    def fsync(handle: int) -> None:
        real(handle)
        done.append(Path(f"/proc/self/fd/{handle}").readlink().name)

    monkeypatch.setattr(os, "fsync", fsync)
    index = index_of(history(6))
    store.save(tmp_path, index, cluster(index.columns))
    arrays = {f"{name}.npy" for name in ("up", "link", "cluster", "follow", "mixing")}
    generation = store.read_manifest(tmp_path).generation
    assert set(done[:5]) == arrays
    assert done[5:] == [generation, ".manifest.json.new", tmp_path.name]


def test_an_interrupted_save_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    chain = history(12)
    before = index_of(chain, 10)
    store.update(tmp_path, before)

    def power_off(path: Path, data: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "replace_file", power_off)
        with pytest.raises(KeyboardInterrupt):
            store.update(tmp_path, index_of(chain))
    assert same(store.load(tmp_path, before), cluster(before.columns))
    store.update(tmp_path, index_of(chain))
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


def test_two_updates_at_once_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The first is stopped between its arrays and its manifest; the other must not take these away from under it."""
    chain = history(12)
    halfway, go_on = threading.Event(), threading.Event()

    def slowly(path: Path, data: bytes) -> None:
        if threading.current_thread().name.startswith("first"):
            halfway.set()
            assert go_on.wait(30)
        replace_file(path, data)

    monkeypatch.setattr(store, "replace_file", slowly)
    with ThreadPoolExecutor(1, "first") as first, ThreadPoolExecutor(1, "second") as second:
        earlier = first.submit(store.update, tmp_path, index_of(chain, 17))
        assert halfway.wait(30)
        later = second.submit(store.update, tmp_path, index_of(chain))
        with pytest.raises(TimeoutError):
            later.result(0.3)
        go_on.set()
        assert same(earlier.result(30), cluster(chain.columns(17)))
        assert same(later.result(30), cluster(chain.columns()))
    assert same(store.load(tmp_path, index_of(chain)), cluster(chain.columns()))
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


def test_who_waits_too_long_for_another_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    index = index_of(history(6))
    monkeypatch.setattr(locks, "PATIENCE_S", 0.0)
    with locks.writing(tmp_path), pytest.raises(ClustersBusyError, match="wait for it"):
        store.update(tmp_path, index)
    made = store.update(tmp_path, index)
    with locks.writing(tmp_path):  # nothing is left to do: nobody has to wait
        assert same(store.update(tmp_path, index), made)


def test_a_reader_whose_arrays_are_replaced_reads_the_new_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    index = index_of(history(6))
    store.update(tmp_path, index)
    reading, excluded = store.read_manifest, Settings(excluded=(1, 3))

    def overtaken(folder: Path) -> store.Manifest:
        found = reading(folder)
        monkeypatch.setattr(store, "read_manifest", reading)
        store.update(folder, index, excluded)
        return found

    monkeypatch.setattr(store, "read_manifest", overtaken)
    assert same(store.load(tmp_path, index), cluster(index.columns, excluded))
    excluded = Settings()
    monkeypatch.setattr(store, "read_manifest", overtaken)
    wanted = Settings(excluded=(1, 3))
    assert store.update(tmp_path, index, wanted).settings == wanted  # not those of whoever overtook


def test_what_is_missing_or_damaged_says_so(tmp_path: Path):
    index = index_of(history(3))
    with pytest.raises(ClustersMissingError):
        store.load(tmp_path, index)
    store.update(tmp_path, index)
    manifest = store.read_manifest(tmp_path)
    (tmp_path / manifest.generation / "up.npy").write_bytes(b"")
    with pytest.raises(ClustersDamagedError):
        store.load(tmp_path, index)
    (tmp_path / store.MANIFEST).write_text("{}")
    with pytest.raises(ClustersDamagedError):
        store.load(tmp_path, index)


def test_of_an_empty_chain_nothing_is_kept(tmp_path: Path):
    assert store.update(tmp_path, index_of(Made())).addresses == 0
    assert list(tmp_path.iterdir()) == []


def text(address: int) -> str:
    return f"#{address}"


def test_tables_of_members_reasons_changes_and_peels():
    chain = history(4)
    tx, carried = 0, chain.mint(("start", 10**9))[0]
    for number in range(3):
        tx = chain.tx([carried], (f"paid{number}", 10**6), (f"kept{number}", 10**9 - (number + 1) * 1_000_111))
        carried = chain.coins(tx)[1]
    clusters: Clusters = cluster(chain.columns())
    columns = clusters.columns
    members = members_table(clusters, [6, 0, 2], text)
    assert members.column_names == ["cluster", "number", "address"]
    assert members.column("number").to_pylist() == list(clusters.members(0))
    reasons = reasons_table(clusters, clusters.why(0, clusters.members(0)[-1]), text).to_pylist()
    assert reasons[0]["address"] == "#0"
    assert reasons[-1]["other"] == f"#{clusters.members(0)[-1]}"
    finder = ChangeFinder(columns, mixing=clusters.mixing)
    peels = chain_through(finder, tx)
    assert peels is not None
    rows = peels_table(columns, peels, text).to_pylist()
    assert [row["peeled_value"] for row in rows] == [10**6] * 3
    assert rows[-1]["carried"] == columns.outpoint_text(carried)
    changes = changes_table(columns, finder.links(range(columns.txs)), text).to_pylist()
    assert changes[-1]["signs"] == ["round-values"]
    assert changes_table(columns, [], text).num_rows == 0
