"""The working set: mapped, read where a trace touches it, checked before it is believed; readers beside a builder."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_tracing.accounts import building, columns, service, store, transfers
from strongroom_tracing.accounts.errors import BrokenIndexError, IndexBusyError, UnknownTransferError
from strongroom_tracing.accounts.genuine import Genuine, Token
from strongroom_tracing.accounts.model import Block, Limits, Mark, Transfer
from strongroom_tracing.accounts.parquet import transfers_table
from strongroom_tracing.accounts.store import Manifest
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.taint.model import Direction, Policy
from tests.unit.tracing.accounts.support import (
    CHAIN,
    GENUINE,
    HISTORIES,
    History,
    Ledger,
    every,
    played,
    question,
    text,
)
from tests.unit.tracing.accounts.test_building import MadeChain

RANGE = 3


def _heads(last: int) -> list[Block]:
    return [Block(height, bytes([height]) * 32, bytes([height - 1]) * 32, height) for height in range(1, last + 1)]


def _in_ranges(folder: Path, rows: list[Transfer]) -> Transfers:
    """The same rows as an index of several files."""
    heads = _heads(max(row.block for row in rows))
    ranges = []
    for first in range(1, len(heads) + 1, RANGE):
        here = range(first, first + RANGE)
        table = transfers_table(row for row in rows if row.block in here)
        ranges.append(store.write_tables(folder, first, [head for head in heads if head.height in here], table))
    store.save_manifest(folder, Manifest(CHAIN, True, heads[-1].block_hash.hex(), tuple(ranges)))
    return service.open_indexes(folder, genuine=GENUINE)


def _rows_of(index: Transfers) -> list[Transfer]:
    address, found = index.numbers.address_bytes, []
    for tx in range(index.txs):
        for row in index.rows_of_tx(tx):
            name = index.name(row.number).partition(":")[0]
            txid = bytes.fromhex(name[2:]) if name.startswith("0x") else bytes(32)
            contract = index.numbers.contract_bytes(row.asset)
            place = 2**31 - 1 if name.isdecimal() else 0
            ends = address(row.sender), address(row.recipient)
            height = index.height_of(row.number)
            found.append(Transfer(height, place, row.kind, row.place, txid, *ends, contract, row.value))
    return found


@settings(max_examples=40, deadline=None)
@given(history=HISTORIES, believed=st.sets(st.sampled_from(GENUINE.tokens)))
def test_what_whole_columns_say_of_an_address_is_what_its_chain_txs_say(history: History, believed: set[Token]) -> None:
    index = service.in_memory(CHAIN, _rows_of(played(history)[0]), genuine=Genuine.of(believed))
    rows = every(index)
    for who in {end for row in rows for end in (row.sender, row.recipient)}:
        for asset in {None, *(row.asset for row in rows)}:
            out = {row.number * 2 for row in rows if row.payer == who and asset in (None, row.payer_asset)}
            into = {row.number * 2 + 1 for row in rows if row.payee == who and asset in (None, row.payee_asset)}
            assert index.sides(who, asset).tolist() == sorted(out | into)
            if asset is not None:
                for limit in {0, max(0, len(out | into) - 1), len(out | into), len(out | into) + 1}:
                    with patch.object(transfers, "_PIECE", 1):  # it looks at a few rows at a time
                        assert index.is_busy(who, asset, limit) == (len(out | into) > limit)
        ignored = [row for row in rows if row.reason and who in (row.sender, row.recipient)]
        assert index.ignored_at([who]) == ignored


@settings(max_examples=25, deadline=None)
@given(history=HISTORIES)
def test_files_give_the_same_rows_names_and_answers_as_memory(history: History) -> None:
    index, events = played(history)
    rows = _rows_of(index)
    whole = service.in_memory(CHAIN, rows, _heads(max(row.block for row in rows)), genuine=GENUINE)
    with tempfile.TemporaryDirectory() as folder:
        parts = _in_ranges(Path(folder), rows)
        assert parts.dataset_hash() == whole.dataset_hash()
        assert parts.tips() == whole.tips()
        for tx in range(whole.txs):
            for one, other in zip(whole.rows_of_tx(tx), parts.rows_of_tx(tx), strict=True):
                assert whole.name(one.number) == parts.name(other.number)
                assert parts.find(whole.name(one.number)) == one.number
                assert parts.value(one.number) == one.value == parts.at(one.number).value
                assert parts.tx_of(one.number) == tx
        name = next(event.name for event in events if event.payee)
        for direction in Direction:
            asked = question(Policy.HAIRCUT, Mark("p", name), direction=direction, limits=Limits(transfers=6))
            assert service.trace(parts, asked) == service.trace(whole, asked)
        for event in events:
            who = text(event.payee or event.payer)
            assert service.marks_into(parts, "p", who, since=2) == service.marks_into(whole, "p", who, since=2)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(building, "RANGE_BLOCKS", 5)
    service.build(tmp_path, MadeChain())
    return tmp_path


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "columns").rglob("*.columns"))


def _damage(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_opening_reads_headers_and_a_trace_only_what_it_comes_to(built: Path) -> None:
    index = service.open_indexes(built, genuine=GENUINE)
    ranges = index._chains[0].ranges
    assert all(set(one._unchecked) == set(one._arrays) for one in ranges)
    name = index.name(index.rows - 2)
    service.trace(index, question(Policy.FIFO, Mark("p", name)))
    untouched = {"kind", "value", "place", "sender", "recipient", "contract", "row_tx", "address_rows"}
    assert all(untouched <= set(one._unchecked) for one in ranges[:-2])
    assert not {"kind", "value", "sender"} & set(ranges[-1]._unchecked)


def test_damage_elsewhere_does_not_hinder_a_trace_and_damage_of_what_it_reads_does(built: Path) -> None:
    values = [one["value"] for one in service.open_indexes(built)._chains[0].ranges]
    first, *_, last = _files(built)
    _damage(first, first.read_bytes().index(values[0].tobytes()))
    index = service.open_indexes(built, genuine=GENUINE)
    asked = question(Policy.FIFO, Mark("p", index.name(index.rows - 2)))
    assert service.trace(index, asked).held
    with pytest.raises(BrokenIndexError, match="damaged"):
        service.check(built)
    _damage(last, last.read_bytes().index(values[-1].tobytes()))
    with pytest.raises(BrokenIndexError, match="damaged"):
        service.trace(service.open_indexes(built, genuine=GENUINE), asked)


def test_a_file_that_is_cut_missing_or_of_another_header_is_refused_when_it_is_opened(built: Path) -> None:
    path = _files(built)[1]
    whole = path.read_bytes()
    for data in (b"", whole[:20], whole[:-100], b"?" + whole[1:], whole[:30] + b"?" + whole[31:]):
        path.write_bytes(data)
        with pytest.raises(BrokenIndexError, match="damaged"):
            service.open_indexes(built)
    path.unlink()
    with pytest.raises(BrokenIndexError, match="missing"):
        service.open_indexes(built)
    path.write_bytes(whole)
    assert service.open_indexes(built).rows == service.check(built).transfers == 24


def test_every_column_is_bound_to_the_name_of_its_file(built: Path) -> None:
    path = _files(built)[0]
    whole = path.read_bytes()
    known = columns.Columns.opened(path, path.stem)
    places = {name: known[name] for name in known._arrays if known._arrays[name].size}
    for name in places:
        fresh = columns.Columns.opened(path, path.stem)
        at = fresh._arrays[name].ctypes.data - np.frombuffer(fresh._source[1], np.uint8).ctypes.data  # type: ignore[index]
        _damage(path, at)
        damaged = columns.Columns.opened(path, path.stem)
        with pytest.raises(BrokenIndexError):
            _ = damaged[name]
        with pytest.raises(BrokenIndexError, match=f"column {name} of .* damaged") as refused:
            damaged.check()
        assert refused.value.code == "accounts-broken-index"
        path.write_bytes(whole)
    assert len(places) >= 15


def test_parquet_that_is_damaged_is_found_by_the_check(built: Path) -> None:
    path = next((built / "transfers").rglob("*.parquet"))
    _damage(path, 100)
    with pytest.raises(BrokenIndexError, match="damaged"):
        service.check(built)
    with building.only_one(built), pytest.raises(IndexBusyError):
        service.check(built)


class Growing(MadeChain):
    """Gives its blocks with a branch that changes from one building to the next."""

    def again(self, round_: int) -> Growing:
        return Growing(20 + round_ % 13, fork=12 + round_ % 9, branch=1 + round_)


def test_readers_beside_a_builder_always_see_one_whole_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "RANGE_BLOCKS", 5)
    service.build(tmp_path, MadeChain(12))
    done, failed, seen = threading.Event(), list[BaseException](), set[str]()

    def read() -> None:
        while not done.is_set():
            try:
                index = service.open_indexes(tmp_path, genuine=GENUINE)
                seen.add(index.dataset_hash())
                assert [row.number for row in every(index)] == list(range(index.rows))
                name = index.name(index.rows - 1)
                assert index.find(name) == index.rows - 1
                time.sleep(0.002)
            except BaseException as error:  # noqa: BLE001 -- told by the test
                failed.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        chain = Growing(20)
        for round_ in range(1_000):
            service.build(tmp_path, chain.again(round_), batch=4)
            if failed or (round_ >= 12 and len(seen) > 1):
                break
    finally:
        done.set()
        reader.join(60)
    assert failed == []
    assert len(seen) > 1


def test_a_reader_that_a_commit_overtakes_reads_the_new_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "RANGE_BLOCKS", 5)
    service.build(tmp_path, MadeChain(15))
    real, overtaken = store.load_manifest, [0]

    def slow(folder: Path) -> Manifest | None:
        found = real(folder)
        if overtaken[0] < 3:  # between reading the manifest and opening what it names
            overtaken[0] += 1
            monkeypatch.setattr(store, "load_manifest", real)
            service.build(folder, MadeChain(15 + overtaken[0]))
            monkeypatch.setattr(store, "load_manifest", slow)
        return found

    monkeypatch.setattr(store, "load_manifest", slow)
    assert service.open_indexes(tmp_path).tips()[0][0] == 18


def test_a_reader_that_is_open_keeps_what_a_reorg_removes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "RANGE_BLOCKS", 5)
    service.build(tmp_path, MadeChain())
    index = service.open_indexes(tmp_path, genuine=GENUINE)
    service.build(tmp_path, MadeChain(35, fork=11))
    asked = question(Policy.FIFO, Mark("p", index.name(3)))
    other = tmp_path / "other"
    service.build(other, MadeChain())
    again = service.trace(service.open_indexes(other, genuine=GENUINE), asked)
    assert service.trace(index, asked) == again


@pytest.mark.parametrize("name", ["9" * 30 + ":coin0", "9" * 5000 + ":coin0", "", "/:", "0x" + "f" * 63 + ":coin0"])
def test_a_name_of_no_transfer_is_refused(name: str) -> None:
    ledger = Ledger()
    ledger.tx()
    ledger.coin("ann", "bob", 5)
    with pytest.raises(UnknownTransferError):
        ledger.index().find(name)


def test_an_index_without_rows_is_asked_in_vain(tmp_path: Path) -> None:
    ledger = Ledger()
    assert ledger.index().rows == 0
    assert service.marks_into(ledger.index(), "p", text("ann")) == ()
    index = service.in_memory(CHAIN, [], [])
    assert index.tips() == [(-1, "")]
    assert index.sides(index.find_address(text("ann")), 0).tolist() == []
