"""TagPacks and ActorPacks: inheritance, vocabulary, and the lines of what cannot be read."""

from __future__ import annotations

import bz2
from datetime import date
from pathlib import Path

import pytest

from strongroom_tracing.tags.errors import BadLinesError, BadListError
from strongroom_tracing.tags.imports import actorpack, tagpack
from strongroom_tracing.tags.imports.reading import Given
from strongroom_tracing.tags.model import Category, Problem, Tag

PACK = """title: A theft
creator: Somebody
currency: BTC
confidence: authority_data
lastmod: 2022-04-05
source: https://example.org/a
abuse: service_hack
label: the thief
tags:
- address: 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2
- address: '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'
  currency: ETH
  abuse:
  category: exchange
  label: An exchange
  lastmod: 2023-08-16 12:18:52.619444
  confidence: web_crawl
  source: https://example.org/b
  context: '{"token": "USDT"}'
- address: 14bwh6gmvol5ntwbvxqjkjdtzv4y5ebtvm
- tx_hash: 0437cd7f8525ceed2324359c2d0ba26006d92d85
- address: TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t
  network: TRX
  abuse: null
  actor: binance
  confidence: told_by_a_friend
"""
ACTORS = """%YAML 1.1
---
title: Actors
actors:
- id: binance
  label: Binance
  categories:
  - organization
  - exchange
  jurisdictions: [MT, KY]
  uri: https://binance.com
"""

COUNTS = """africrypt-hack 1
binance_hack 44
blender_io 45
etherscan-wordcloud-exchange 646
etherscan-wordcloud-mixing_service 61
exchange-wallets-binance 86
exchange-wallets-bitfinexcom 126
exchange-wallets-bybit 8
exchange-wallets-huobi 58
exchange-wallets-kucoin 48
exchange-wallets-okx 36
hacks 608
hydra 117
interpol-real_services 10
lazarus 21
lazarus2 6
mixing_fc2021 66
ofac 569
plustoken 10
ransomwhere 7457
ronin_bridge 6
sinbad_io 2
tornado_cash 39
twitter_hack_scam 3
usdt_blacklist 774
walletexplorer 386
wasabi_collector 2
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_tag_says_what_its_header_says_unless_it_says_otherwise(tmp_path: Path) -> None:
    problems: list[Problem] = []
    actors = actorpack.read(written(tmp_path, "actors.yaml", ACTORS))
    first, second, third = tagpack.read(written(tmp_path, "a.yaml", PACK), actors=actors, problems=problems)
    assert (first.category, first.confidence, first.label) == (Category.THEFT, 60, "the thief")
    assert (first.source, first.uri, first.source_date) == (
        "Somebody: A theft",
        "https://example.org/a",
        date(2022, 4, 5),
    )
    assert (second.category, second.confidence, second.label) == (Category.EXCHANGE, 20, "An exchange")
    assert (second.chain, second.uri, second.source_date) == ("eip155:1", "https://example.org/b", date(2023, 8, 16))
    assert second.note == '{"token": "USDT"}'
    assert (third.chain, third.category, third.confidence) == ("tron:0x2b6653dc", Category.EXCHANGE, 5)
    assert [(problem.line, problem.text) for problem in problems] == [
        (20, "14bwh6gmvol5ntwbvxqjkjdtzv4y5ebtvm"),
        (21, "0437cd7f8525ceed2324359c2d0ba26006d92d85"),
    ]


def test_bad_lines_that_nobody_takes_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadLinesError) as caught:
        tagpack.read(written(tmp_path, "a.yaml", PACK))
    assert "line 20" in caught.value.message


def test_an_actor_has_its_name_and_where_it_sits(tmp_path: Path) -> None:
    actor = actorpack.read(written(tmp_path, "actors.yaml", ACTORS))["binance"]
    assert (actor.label, actor.category, actor.jurisdictions) == ("Binance", Category.EXCHANGE, ("MT", "KY"))


def test_a_pack_without_a_date_needs_one(tmp_path: Path) -> None:
    path = written(tmp_path, "a.yaml", PACK.replace("lastmod: 2022-04-05\n", ""))
    with pytest.raises(BadListError, match="of which day"):
        tagpack.read(path, problems=[])
    assert tagpack.read(path, Given(as_of=date(2024, 1, 1)), problems=[])[0].source_date == date(2024, 1, 1)


@pytest.mark.parametrize(
    "text", ["", "- a\n- b\n", "a: [", "title: A\n", "&a [*a, *a]\n", "\x00", "[" * 100_000, "{a: " * 50_000]
)
def test_what_is_no_pack_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadListError):
        tagpack.read(written(tmp_path, "a.yaml", text))


def test_a_pack_that_unfolds_to_billions_is_not_unfolded(tmp_path: Path) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, after in zip("abcdefgh", "bcdefghi", strict=True)
    )
    tags = tagpack.read(written(tmp_path, "a.yaml", PACK + bomb), problems=[])
    assert len(tags) == 3


def test_a_pack_of_more_values_than_any_is_refused_before_they_are_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom_tracing.tags.imports.nodes._NODES_MAX", 1000)
    path = tmp_path / "a.yaml.bz2"
    path.write_bytes(bz2.compress(f"tags: [{'1,' * 1000}1]".encode()))
    with pytest.raises(BadListError, match="more than 1000 values"):
        tagpack.read(path, Given(as_of=date(2023, 1, 1)))


def test_the_packs_of_real_life_are_read(shared_data: Path) -> None:
    actors = actorpack.read(shared_data / "tags" / "graphsense.actorpack.yaml")
    assert len(actors) == 3813
    read: dict[str, list[Tag]] = {}
    problems: list[Problem] = []
    for path in sorted((shared_data / "tags").glob("*.yaml")):
        if path.name != "graphsense.actorpack.yaml":
            read[path.name] = tagpack.read(path, Given(as_of=date(2023, 1, 1)), actors=actors, problems=problems)
    counts = "".join(f"{name.removesuffix('.yaml')} {len(tags)}\n" for name, tags in read.items())
    assert counts == COUNTS
    # Its own publisher lower-cased it; the line says where.
    assert (31, "14bwh6gmvol5ntwbvxqjkjdtzv4y5ebtvm") in {(problem.line, problem.text) for problem in problems}
    assert {tag.category for tag in read["ronin_bridge.yaml"]} == {Category.THEFT}
    assert {tag.category for tag in read["sinbad_io.yaml"]} == {Category.MIXER}
