"""The lists that come with the package: what their publishers gave out, no more and no less."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import make_snapshots

from strongroom_tracing.tags import snapshots
from strongroom_tracing.tags.imports import address_lists, csv
from strongroom_tracing.tags.imports.reading import Given
from strongroom_tracing.tags.model import Category
from strongroom_tracing.tags.store import TagStore
from tests.unit.tracing.tags.made import evm, put, tag


def test_a_new_store_answers_without_a_network(tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    assert snapshots.install(store) == ("fbi-bybit", "ofac-sdn")
    assert [(info.name, info.as_of, info.tags) for info in store.lists()] == [
        ("fbi-bybit", date(2025, 2, 26), 51),
        ("ofac-sdn", date(2025, 11, 19), 760),
    ]
    # The Ronin bridge's thief, listed as ETH, asked for on Arbitrum.
    answered = store.answered("eip155:42161", "0x098B716B8Aaf21512996dC57EB0615e2383E2f96", date(2025, 12, 1))
    (listed,) = answered.tags
    assert (listed.tag.label, listed.tag.category) == ("Lazarus Group", Category.SANCTIONED)
    assert "DPRK3" in listed.tag.note
    assert [age.days for age in answered.lists] == [278, 12]
    assert snapshots.install(store) == ()


def test_a_list_that_stands_is_not_put_back_to_the_copy(tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    put(store, "ofac-sdn", [tag(evm(1))], date(2026, 1, 1))
    assert snapshots.install(store) == ("fbi-bybit",)
    assert store.info("ofac-sdn").as_of == date(2026, 1, 1)
    put(store, "fbi-bybit", [tag("0x09278b36863be4ccd3d0c22d643e8062d7a11377")], date(2025, 2, 25))
    assert snapshots.install(store) == ("fbi-bybit",)
    assert store.info("fbi-bybit").tags == 51


def test_the_copies_are_made_again_from_what_was_published(shared_data: Path, tmp_path: Path) -> None:
    sources = ("sanctions/sdn_advanced_2025-12.xml.bz2", "theft/fbi_bybit_51_eth.txt")
    assert make_snapshots.main([*(str(shared_data / source) for source in sources), str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        snapshots.file_of(name).name for name in snapshots.FILES
    )
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (snapshots.FOLDER / path.name).read_bytes()


def test_the_copy_has_every_address_of_the_plain_lists(shared_data: Path) -> None:
    copied = {(tag.chain, tag.address) for tag in csv.read(snapshots.file_of("ofac-sdn"))}
    given = Given(source="s", label="l", as_of=date(2025, 1, 1))
    listed = set()
    for path in (shared_data / "sanctions").glob("sanctioned_addresses_*.txt"):
        listed |= {(tag.chain, tag.address) for tag in address_lists.read(path, given, problems=[])}
    assert len(listed) > 700
    assert listed <= copied
