"""The store: conflicts are kept, answers name their lists and ages, delistings are told, damage is noticed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from types import FrameType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from strongroom_tracing.tags.errors import (
    BadAddressError,
    BadListError,
    StoreBusyError,
    StoreDamagedError,
    UnknownListError,
)
from strongroom_tracing.tags.model import Category, ListInfo
from strongroom_tracing.tags.store import TagStore
from strongroom_tracing.tags.table import arranged, from_parquet, to_parquet
from tests.unit.tracing.tags.made import BITCOIN, DAY, ETHEREUM, evm, info, put, tag

EIP55 = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
COIN = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"


def test_conflicting_tags_are_all_kept_and_shown(tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    put(store, "b-list", [tag(EIP55.lower(), Category.MIXER, "Tornado"), tag(EIP55.lower(), Category.MIXER, "Other")])
    put(store, "a-list", [tag(EIP55.lower(), Category.SANCTIONED, "Somebody", chain="eip155:10")])
    assert [found.label for found in store.lookup(ETHEREUM, EIP55)] == ["Somebody", "Other", "Tornado"]
    answered = store.answered("eip155:42161", EIP55, date(2025, 3, 1))
    assert [(listed.list_name, listed.tag.chain) for listed in answered.tags] == [
        ("a-list", "eip155:10"),
        ("b-list", ETHEREUM),
        ("b-list", ETHEREUM),
    ]
    assert answered.conflicts == (Category.MIXER, Category.SANCTIONED)
    assert store.answered(ETHEREUM, evm(1), DAY).conflicts == ()


def test_an_answer_names_every_list_and_its_age_even_where_nothing_is_said(tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    put(store, "old", [tag(evm(1))], date(2024, 1, 1))
    put(store, "new", [tag(evm(2))], date(2025, 1, 1))
    answered = store.answered(BITCOIN, COIN, date(2025, 1, 31))
    assert answered.tags == ()
    assert [(age.info.name, age.days) for age in answered.lists] == [("new", 30), ("old", 396)]
    assert answered.tags_hash == store.hash
    with pytest.raises(BadAddressError):
        store.answered(BITCOIN, COIN[:-1] + "3", DAY)
    assert store.lookup(BITCOIN, COIN[:-1] + "3") == ()


def test_addresses_of_chains_of_coins_are_found_on_their_own_chain(tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    put(store, "a", [tag(COIN, chain=BITCOIN), tag("4-monero", chain="currency:XMR"), tag(evm(3), chain="eip155:56")])
    assert len(store.lookup(BITCOIN, f" {COIN} ")) == 1
    assert store.lookup("bip122:000000000000000000651ef99cb9fcbe", COIN) == ()
    assert [found.address for found in store.all(BITCOIN)] == [COIN]
    assert [found.address for found in store.all("eip155:1")] == [evm(3)]
    assert [found.address for found in store.all("currency:XMR")] == ["4-monero"]
    assert store.all("currency:X") == ()


def test_the_hash_is_of_the_content_and_not_of_how_it_came(tmp_path: Path) -> None:
    first, second = TagStore.open(tmp_path / "1"), TagStore.open(tmp_path / "2")
    tags = [tag(evm(number)) for number in range(5)]
    put(first, "a", tags)
    put(first, "b", tags)
    second.replace(
        "b", [*reversed(tags), tags[0]], ListInfo("", "S", DAY, datetime(2025, 5, 5, tzinfo=UTC), 0, "", "MIT")
    )
    assert first.hash != second.hash
    put(second, "a", tags)
    assert first.hash == second.hash == TagStore.open(tmp_path / "2").hash
    assert second.info("b").tags == 5
    put(second, "a", tags, date(2025, 1, 2))
    assert first.hash != second.hash


def test_a_list_is_replaced_as_a_whole_and_what_it_no_longer_names_is_told(tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    put(store, "other", [tag(evm(1))])
    assert len(put(store, "a", [tag(evm(1)), tag(evm(2), label="gone"), tag(evm(3))]).added) == 3
    change = put(store, "a", [tag(evm(3)), tag(evm(4)), tag(evm(1), chain="eip155:10")], date(2025, 6, 1))
    assert (change.before, change.after, change.added) == (3, 3, ((ETHEREUM, evm(4)),))
    (gone,) = change.delisted
    assert (gone.address, gone.label, gone.listed_as_of, gone.gone_as_of) == (evm(2), "gone", DAY, date(2025, 6, 1))
    assert store.lookup(ETHEREUM, evm(2)) == ()
    again = TagStore.open(tmp_path)
    assert again.answered(ETHEREUM, evm(2), DAY).delisted == (gone,)
    put(again, "a", [tag(evm(3))], date(2025, 7, 1))
    assert again.answered(ETHEREUM, evm(2), DAY).delisted == (gone,)
    put(again, "a", [tag(evm(2))], date(2025, 8, 1))
    assert again.answered(ETHEREUM, evm(2), DAY).delisted == ()
    assert [found.source_date for found in again.lookup(ETHEREUM, evm(1))] == [DAY]


def test_files_of_replaced_lists_are_removed(tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    for number in range(3):
        put(store, "a", [tag(evm(number))])
    assert len(list((tmp_path / "lists").iterdir())) == 1
    store.remove("a")
    assert store.lists() == TagStore.open(tmp_path).lists() == ()
    assert list((tmp_path / "lists").iterdir()) == []
    with pytest.raises(UnknownListError):
        store.remove("a")


@pytest.mark.parametrize("name", ["", "A", "../a", "a/b", "a" * 65])
def test_a_bad_name_and_an_empty_list_replace_nothing(tmp_path: Path, name: str) -> None:
    store = TagStore.open(tmp_path / "store")
    with pytest.raises(BadListError):
        put(store, name, [tag(evm(1))])
    with pytest.raises(BadListError):
        put(store, "a", [])
    assert not (tmp_path / "store").exists()


def test_a_damaged_store_says_so(tmp_path: Path) -> None:
    put(TagStore.open(tmp_path), "a", [tag(evm(1))])
    (path,) = (tmp_path / "lists").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(StoreDamagedError, match="'a' again"):
        TagStore.open(tmp_path)
    path.unlink()
    with pytest.raises(StoreDamagedError, match="missing"):
        TagStore.open(tmp_path)
    path.write_bytes(whole)
    assert TagStore.open(tmp_path).lookup(ETHEREUM, evm(1))
    manifest = tmp_path / "manifest.json"
    for text in ("{", "[]", '{"format": 2}', '{"format": 1, "lists": {"a": {}}}'):
        manifest.write_text(text)
        with pytest.raises(StoreDamagedError):
            TagStore.open(tmp_path)


@pytest.mark.parametrize("change", [{"sha256": "00" * 32}, {"tags": 2}])
def test_a_list_that_is_not_the_one_that_the_manifest_names_is_refused(
    tmp_path: Path, change: dict[str, object]
) -> None:
    """The hash that answers rest on is made of the manifest's words, so these are checked against the tags."""
    store = TagStore.open(tmp_path)
    put(store, "a", [tag(evm(1))])
    manifest = tmp_path / "manifest.json"
    said = json.loads(manifest.read_text())
    said["lists"]["a"] |= change
    manifest.write_text(json.dumps(said))
    for read in (lambda: TagStore.open(tmp_path), store.refresh):
        with pytest.raises(StoreDamagedError, match="manifest names") as refused:
            read()
        assert refused.value.code == "tags-store-damaged"


def test_a_store_that_is_taken_away_while_it_is_open_is_missed(tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    store.refresh()
    put(TagStore.open(tmp_path), "a", [tag(evm(1))])
    store.refresh()
    assert store.lookup(ETHEREUM, evm(1))
    (tmp_path / "manifest.json").rename(tmp_path / "away.json")
    with pytest.raises(StoreDamagedError, match="gone"):
        store.refresh()
    (tmp_path / "away.json").rename(tmp_path / "manifest.json")
    TagStore.open(tmp_path).remove("a")
    store.refresh()
    assert store.lists() == ()


def test_other_tags_under_the_same_content_hash_are_refused(tmp_path: Path) -> None:
    """A file and its digest are changed together, to say something else or nothing under a hash that is known."""
    put(TagStore.open(tmp_path), "a", [tag(evm(1), label="thief")])
    manifest = tmp_path / "manifest.json"
    rows = arranged([tag(evm(1), label="nobody")])
    hidden = from_parquet(to_parquet(arranged([tag(evm(1), label="thief")]))).columns
    hidden = hidden.set_column(0, "key", [["eip155:" + evm(9)]])
    sink = pa.BufferOutputStream()
    pq.write_table(hidden, sink)
    for data in (to_parquet(rows), sink.getvalue().to_pybytes()):
        digest = hashlib.sha256(data).hexdigest()
        (tmp_path / "lists" / f"{digest}.parquet").write_bytes(data)
        said = json.loads(manifest.read_text())
        said["lists"]["a"]["file_sha256"] = digest
        manifest.write_text(json.dumps(said))
        with pytest.raises(StoreDamagedError, match="manifest names"):
            TagStore.open(tmp_path)


def test_two_writers_do_not_change_it_at_once(tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    put(store, "a", [tag(evm(1))])
    with (tmp_path / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreBusyError):
            put(store, "a", [tag(evm(2))])
    put(store, "a", [tag(evm(2))])


def test_a_writer_keeps_what_another_has_put_there_since(tmp_path: Path) -> None:
    first, second = TagStore.open(tmp_path), TagStore.open(tmp_path)
    put(first, "a", [tag(evm(1))])
    put(second, "b", [tag(evm(2))])
    assert [one.name for one in TagStore.open(tmp_path).lists()] == ["a", "b"]
    assert json.loads((tmp_path / "manifest.json").read_text())["lists"]["a"]["tags"] == 1


def calls(work: Callable[[], object]) -> int:
    """How many functions were called by some work: its cost, the same on every machine."""
    count = 0

    def note(_frame: FrameType, event: str, _what: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_opening_costs_a_few_steps_a_tag_and_a_lookup_no_more_among_a_hundred_thousand(tmp_path: Path) -> None:
    costs = []
    for count in (1_000, 110_000):
        many = [tag(evm(number * 7919), label=f"label {number}") for number in range(count)]
        TagStore.open(tmp_path / str(count)).replace("many", many, info())
        assert calls(lambda: TagStore.open(tmp_path / str(count))) < 20 * count  # noqa: B023 -- called at once
        store = TagStore.open(tmp_path / str(count))
        for number in range(0, count, count // 100):
            assert store.lookup(ETHEREUM, evm(number * 7919))[0].label == f"label {number}"
            assert store.lookup(ETHEREUM, evm(number * 7919 + 1)) == ()
        known, unknown = (evm(7919 * 5 + more) for more in (0, 1))
        costs.append([calls(lambda: store.lookup(ETHEREUM, address)) for address in (known, unknown)])  # noqa: B023 -- as above
    assert costs[0] == costs[1]
