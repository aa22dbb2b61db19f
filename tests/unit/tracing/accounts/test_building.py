"""The index on disk: the same bytes whatever interrupted its making; the fork found again; damage noticed."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom_tracing.accounts import building, service, store
from strongroom_tracing.accounts.errors import (
    AccountsError,
    BrokenIndexError,
    ForeignChainError,
    ReorgedError,
    SourceError,
)
from strongroom_tracing.accounts.model import Block, BlockTransfers, Kind, Mark, Transfer
from strongroom_tracing.files import replace_file
from strongroom_tracing.taint.model import Policy
from tests.unit.tracing.accounts.support import CHAIN, GENUINE, address, question, text

RANGE = 5


class MadeChain:
    """Blocks with one payment each; `fork` says from which height on another branch replaces the first."""

    chain, first, traced = CHAIN, 10, True

    def __init__(self, last: int = 33, fork: int | None = None, branch: int = 1) -> None:
        self.last, self.fork, self.branch = last, fork, branch
        self.changes_at: int | None = None

    def _hash(self, height: int) -> bytes:
        branch = self.branch if self.fork is not None and height >= self.fork else 0
        return hashlib.sha256(f"{height}/{branch}".encode()).digest()

    def tip(self) -> tuple[int, bytes]:
        return self.last, self._hash(self.last)

    def hash_at(self, height: int) -> bytes | None:
        return self._hash(height) if self.first <= height <= self.last else None

    def blocks(self, first: int, last: int) -> Iterator[BlockTransfers]:
        for height in range(first, last + 1):
            if height == self.changes_at:
                self.changes_at, self.fork = None, height - 3
            block = Block(height, self._hash(height), self._hash(height - 1), 1000 + height)
            value = 1000 + int.from_bytes(self._hash(height)[:1], "big")
            ends = address(f"h{height}"), address(f"h{height + 1}")
            row = Transfer(height, 0, Kind.VALUE, 0, self._hash(height), *ends, b"", value)
            yield BlockTransfers(block, (row,))


@pytest.fixture(autouse=True)
def _short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "RANGE_BLOCKS", RANGE)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def test_an_index_says_what_it_holds_and_is_partitioned_by_blocks(tmp_path: Path) -> None:
    status = service.build(tmp_path, MadeChain(), batch=4)
    assert (status.first_height, status.height, status.transfers, status.traced) == (10, 33, 24, True)
    assert service.status(tmp_path) == status
    folders = sorted(path.name for path in (tmp_path / "transfers").iterdir())
    assert folders == [f"height={height:012d}" for height in range(10, 31, RANGE)]
    assert service.status(tmp_path / "none") is None


def test_an_index_that_stands_in_between_is_brought_on_to_the_same_bytes(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    service.build(whole, MadeChain(), batch=100)
    for until in (10, 12, 14, 15, 27, 33):
        assert service.build(parts, MadeChain(), until=until, batch=3).height == until
    assert contents(whole) == contents(parts)


def test_whatever_step_dies_the_index_is_readable_and_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole"
    service.build(whole, MadeChain(22), batch=3)
    real = replace_file

    class Died(BaseException):
        """As kill -9: nothing catches it."""

    for step in range(1, 21):  # four files and five commits
        folder, done = tmp_path / f"dies-{step}", [0]

        def dying(path: Path, data: bytes, done: list[int] = done, step: int = step) -> None:
            done[0] += 1
            if done[0] == step:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name(f".{path.name}.new").write_bytes(data[:7])
                raise Died
            real(path, data)

        monkeypatch.setattr(store, "replace_file", dying)
        with pytest.raises(Died):
            service.build(folder, MadeChain(22), batch=3)
        monkeypatch.setattr(store, "replace_file", real)
        if service.status(folder) is not None:
            service.open_indexes(folder, genuine=GENUINE)
        service.build(folder, MadeChain(22), batch=3)
        assert contents(folder) == contents(whole)


def test_what_a_manifest_names_is_durable_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes of a file by fsync of it, a name by fsync of its folder (POSIX)."""
    durable, real_sync, real_save = set[tuple[int, str]](), os.fsync, store.save_manifest
    saved = []

    def fsync(handle: int) -> None:
        real_sync(handle)
        path = Path(f"/proc/self/fd/{handle}").readlink()
        names = path.iterdir() if path.is_dir() else ()
        durable.update({(one.stat().st_ino, one.name) for one in names}, {(path.stat().st_ino, "its bytes")})

    def save(folder: Path, manifest: store.Manifest) -> None:
        for one in manifest.ranges:
            for kind in ("blocks", "transfers", "columns"):
                path = store.path_of(folder, kind, one.height, getattr(one, kind))
                assert (path.stat().st_ino, "its bytes") in durable
                for place in (path, *path.parents[: len(path.relative_to(tmp_path).parts) - 1]):
                    assert (place.stat().st_ino, place.name) in durable, place
        real_save(folder, manifest)
        saved.append(manifest.height)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(store, "save_manifest", save)
    service.build(tmp_path / "index", MadeChain(), batch=4)
    service.build(tmp_path / "index", MadeChain(35, fork=20), batch=4)
    assert saved[-1] == 35
    assert 19 in saved


def test_a_source_that_gives_another_block_than_it_was_asked_for_is_refused(tmp_path: Path) -> None:
    class Shifted(MadeChain):
        def blocks(self, first: int, last: int) -> Iterator[BlockTransfers]:
            return super().blocks(first + 1, last + 1)

    with pytest.raises(SourceError, match="block 11 where 10 was due"):
        service.build(tmp_path, Shifted())
    assert service.status(tmp_path) is None


@pytest.mark.parametrize("depth", [1, 2, 4, 9, 23])
def test_a_reorg_is_rolled_back_to_the_fork_and_followed(tmp_path: Path, depth: int) -> None:
    folder, fresh = tmp_path / "folder", tmp_path / "fresh"
    service.build(folder, MadeChain(), batch=4)
    after = MadeChain(35, fork=34 - depth)
    service.build(folder, after, batch=4)
    service.build(fresh, after, batch=7)
    assert contents(folder) == contents(fresh)


def test_a_reorg_to_a_shorter_chain_is_followed_and_a_source_that_lags_is_not(tmp_path: Path) -> None:
    folder, fresh = tmp_path / "folder", tmp_path / "fresh"
    service.build(folder, MadeChain())
    assert service.build(folder, MadeChain(25)).height == 33
    service.build(folder, MadeChain(25, fork=20))
    service.build(fresh, MadeChain(25, fork=20))
    assert contents(folder) == contents(fresh)


def test_a_chain_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    source = MadeChain(40)
    source.changes_at = 30
    service.build(tmp_path / "folder", source, batch=4)
    service.build(tmp_path / "fresh", MadeChain(40, fork=27))
    assert contents(tmp_path / "folder") == contents(tmp_path / "fresh")


def test_another_chain_is_refused(tmp_path: Path) -> None:
    service.build(tmp_path, MadeChain())
    with pytest.raises(ForeignChainError, match="no block in common"):
        service.build(tmp_path, MadeChain(fork=0))
    other = MadeChain()
    other.chain = "eip155:10"
    with pytest.raises(ForeignChainError, match="a folder for each"):
        service.build(tmp_path, other)


def test_a_chain_that_never_settles_is_given_up_with_the_index_intact(tmp_path: Path) -> None:
    class Restless(MadeChain):
        def blocks(self, first: int, last: int) -> Iterator[BlockTransfers]:
            for one in super().blocks(first, last):
                yield dataclasses.replace(one, block=dataclasses.replace(one.block, parent_hash=bytes(32)))

    service.build(tmp_path, MadeChain(20))
    before = contents(tmp_path)
    with pytest.raises(ReorgedError):
        service.build(tmp_path, Restless(40))
    assert contents(tmp_path) == before


def test_damage_is_noticed_and_two_builders_are_not_let_in(tmp_path: Path) -> None:
    service.build(tmp_path, MadeChain())
    path = next((tmp_path / "transfers").glob("*30/*.parquet"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    with pytest.raises(BrokenIndexError, match="damaged"):
        service.build(tmp_path, MadeChain(34))  # has to be written anew, with one block more
    path.write_bytes(whole)
    with building.only_one(tmp_path), pytest.raises(AccountsError, match="another process"):
        service.build(tmp_path, MadeChain())
    for manifest in (b"", b"{}", b"[]", b"null", b"\xff"):
        (tmp_path / "manifest.json").write_bytes(manifest)
        with pytest.raises(BrokenIndexError, match="no manifest"):
            service.status(tmp_path)


def test_what_an_index_holds_can_be_traced_and_its_blocks_name_the_data(tmp_path: Path) -> None:
    service.build(tmp_path, MadeChain())
    index = service.open_indexes(tmp_path, genuine=GENUINE)
    answer = service.trace(index, question(Policy.FIFO, Mark("p", index.name(0))))
    assert {row.address for row in answer.held} <= {text(f"h{n}") for n in range(10, 35)}
    assert sum(row.value for row in answer.held) == index.value(0)
    other = tmp_path / "other"
    service.build(other, MadeChain(fork=30))
    forked = service.open_indexes(other, genuine=GENUINE)
    assert index.dataset_hash(29) == forked.dataset_hash(29)
    assert index.dataset_hash(30) != forked.dataset_hash(30)
    assert answer.dataset_hash == index.dataset_hash()


class Otherwise(MadeChain):
    """Tells one block otherwise than ``MadeChain``, under the same hash."""

    def __init__(self, **told: object) -> None:
        super().__init__()
        self.told = told

    def blocks(self, first: int, last: int) -> Iterator[BlockTransfers]:
        for one in super().blocks(first, last):
            if one.block.height != 20:
                yield one
            elif "unix_time" in self.told:
                yield BlockTransfers(dataclasses.replace(one.block, unix_time=1019), one.transfers)
            else:
                rows = [dataclasses.replace(row, **self.told) for row in one.transfers] if self.told else []  # type: ignore[arg-type]
                yield BlockTransfers(one.block, tuple(rows))


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"unix_time": 1019},
        {"tx_index": 1},
        {"kind": Kind.INTERNAL},
        {"place": 1},
        {"txid": bytes(32)},
        {"sender": address("x")},
        {"recipient": address("x")},
        {"contract": address("x")},
        {"value": 2**255},
    ],
)
def test_whoever_tells_a_block_otherwise_or_leaves_rows_out_has_another_name(
    tmp_path: Path, told: dict[str, object]
) -> None:
    service.build(tmp_path / "one", MadeChain())
    service.build(tmp_path / "other", Otherwise(**told), batch=3)
    one, other = service.open_indexes(tmp_path / "one"), service.open_indexes(tmp_path / "other")
    assert one.tips() == other.tips()
    assert one.dataset_hash(19) == other.dataset_hash(19)
    assert one.dataset_hash(20) != other.dataset_hash(20)
    assert one.dataset_hash() != other.dataset_hash()
