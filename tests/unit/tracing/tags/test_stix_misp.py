"""STIX bundles and MISP events, made by their own libraries, as their publishers make them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import stix2
from pymisp import MISPEvent, MISPObject

from strongroom_tracing.tags.errors import BadListError
from strongroom_tracing.tags.imports import misp, stix
from strongroom_tracing.tags.imports.reading import Given
from strongroom_tracing.tags.model import Category, Problem

BITCOIN = "bip122:000000000019d6689c085ae165831e93"
COIN = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"
WITNESS = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
EVM = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
TRON = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
MONERO = "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A"
DAY = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)


def indicator(pattern: str, **said: object) -> stix2.Indicator:
    return stix2.Indicator(
        pattern=pattern, pattern_type="stix", valid_from=DAY, created=DAY, modified=DAY, name="A wallet", **said
    )


def bundle(folder: Path, *objects: object) -> Path:
    path = folder / "bundle.json"
    path.write_text(stix2.Bundle(objects=list(objects), allow_custom=True).serialize(), encoding="utf-8")
    return path


def test_wallets_in_patterns_are_found(tmp_path: Path) -> None:
    police = stix2.Identity(name="The police", identity_class="organization")
    path = bundle(
        tmp_path,
        police,
        indicator(
            f"[cryptocurrency-wallet:value = '{COIN}']",
            created_by_ref=police.id,
            confidence=85,
            indicator_types=["malicious-activity"],
            labels=["ransomware"],
            external_references=[{"source_name": "x", "url": "https://example.org/x"}],
        ),
        indicator(f"[x-wallet:address = '{EVM}' AND x-wallet:currency = 'BSC'] OR [x-wallet:address = '{TRON}']"),
        indicator(f"[x-crypto:value IN ('{WITNESS}', '{TRON}') OR file:name = 'a']"),
        indicator(f"[x-wallet:value != '{COIN}' AND x-wallet:name = 'b']"),
        indicator("[file:name = 'c']"),
        indicator(f"[x-wallet:value = '{COIN}']", revoked=True),
    )
    tags = stix.read(path, Given(source="us"))
    assert [(tag.chain, tag.address) for tag in tags] == [
        (BITCOIN, COIN),
        ("eip155:56", EVM.lower()),
        ("tron:0x2b6653dc", TRON),
        *sorted([("tron:0x2b6653dc", TRON), (BITCOIN, WITNESS)], key=lambda pair: pair[1]),
    ]
    first = tags[0]
    assert (first.category, first.confidence, first.source_date) == (Category.RANSOMWARE, 85, date(2025, 3, 4))
    assert (first.uri, first.label, first.source) == ("https://example.org/x", "A wallet", "us")


def test_the_creator_is_the_source(tmp_path: Path) -> None:
    police = stix2.Identity(name="The police", identity_class="organization")
    path = bundle(tmp_path, police, indicator(f"[x-wallet:value = '{COIN}']", created_by_ref=police.id))
    assert stix.read(path)[0].source == "The police"


def test_wallet_objects_of_extensions_are_found(tmp_path: Path) -> None:
    common = {"spec_version": "2.1", "created": "2025-01-02T00:00:00Z", "modified": "2025-01-03T00:00:00Z"}
    wallet = {
        "type": "x-crypto-wallet",
        "id": "x-crypto-wallet--11111111-1111-4111-8111-111111111111",
        "address": EVM,
        "name": "W",
        "extensions": {
            "extension-definition--22222222-2222-4222-8222-222222222222": {
                "extension_type": "property-extension",
                "chain": "eip155:42161",
            }
        },
        **common,
    }
    other = {**wallet, "id": "x-crypto-wallet--33333333-3333-4333-8333-333333333333", "symbol": "LTC", "extensions": {}}
    path = tmp_path / "bundle.json"
    path.write_text(
        json.dumps({"type": "bundle", "id": "bundle--44444444-4444-4444-8444-444444444444", "objects": [wallet, other]})
    )
    problems: list[Problem] = []
    first, second = stix.read(path, Given(source="us"), problems=problems)
    assert (first.chain, first.source_date) == ("eip155:42161", date(2025, 1, 3))
    # Listed as Litecoin, and an EVM address.
    assert (second.chain, second.note.partition("; ")[2]) == ("eip155:1", "listed as LTC, of which it has not the form")


def test_what_is_no_stix_is_reported_with_its_number(tmp_path: Path) -> None:
    good = json.loads(indicator(f"[x-wallet:value = '{COIN}']").serialize())
    bad = {**good, "pattern": "[x-wallet:value ="}
    deep = {**good, "pattern": "[" + "(" * 3000 + "x-wallet:value = 'a'" + ")" * 3000 + "]"}
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps({"type": "bundle", "id": "bundle--1", "objects": [bad, good, deep]}))
    problems: list[Problem] = []
    assert len(stix.read(path, Given(source="us"), problems=problems)) == 1
    assert [problem.line for problem in problems] == [1, 3]


@pytest.mark.parametrize("text", ["", "[]", '{"type": "bundle"}', '{"type": "bundle", "objects": [1]}', "[" * 100_000])
def test_what_is_no_bundle_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bundle.json"
    path.write_text(text)
    with pytest.raises(BadListError):
        stix.read(path)


def event() -> MISPEvent:
    made = MISPEvent()
    made.info = "A ransom"
    made.date = date(2025, 2, 3)
    made.add_tag('misp-galaxy:ransomware="Locky"')
    made.add_tag("tlp:clear")
    made.add_tag("ransomware")
    return made


def saved(folder: Path, made: MISPEvent) -> Path:
    path = folder / "event.json"
    path.write_text(made.to_json(), encoding="utf-8")
    return path


def test_attributes_and_coin_addresses_of_an_event_are_found(tmp_path: Path) -> None:
    made = event()
    made.add_attribute("btc", COIN, comment="the first victim paid here")
    made.add_attribute("xmr", MONERO)
    made.add_attribute("dash", "no dash address")
    made.add_attribute("text", EVM)
    made.add_attribute("text", f"see {EVM}")
    made.add_attribute("ip-dst", "127.0.0.1")
    coin = MISPObject("coin-address")
    coin.add_attribute("address-crypto", TRON)
    coin.add_attribute("symbol", "TRX")
    coin.add_attribute("text", "a note")
    made.add_object(coin)
    problems: list[Problem] = []
    tags = misp.read(saved(tmp_path, made), Given(source="A CERT"), problems=problems)
    assert [(tag.chain, tag.address) for tag in tags] == [
        (BITCOIN, COIN),
        ("currency:XMR", MONERO),
        ("eip155:1", EVM.lower()),
        ("tron:0x2b6653dc", TRON),
    ]
    assert [tag.label for tag in tags][:2] == ["the first victim paid here", "A ransom"]
    assert {(tag.category, tag.source) for tag in tags} == {(Category.RANSOMWARE, "A CERT")}
    assert [(problem.line, problem.text) for problem in problems] == [(3, "no dash address")]


def test_an_event_has_its_day_and_its_organisation(tmp_path: Path) -> None:
    made = event()
    made.add_attribute("btc", COIN)
    path = saved(tmp_path, made)
    raw = json.loads(path.read_text())
    raw["Orgc"] = {"name": "CIRCL", "uuid": "55f6ea5e-2c60-40e5-964f-47a8950d210f", "id": "1"}
    raw["Attribute"][0]["timestamp"] = "1741046400"
    path.write_text(json.dumps({"Event": raw}))
    (tag,) = misp.read(path)
    assert (tag.source, tag.source_date) == ("CIRCL", date(2025, 3, 4))
    del raw["Attribute"][0]["timestamp"]
    path.write_text(json.dumps({"Event": raw}))
    assert misp.read(path)[0].source_date == date(2025, 2, 3)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Event": 1}', '{"Event": {"info": 3, "Attribute": [1]}}'])
def test_what_is_no_event_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "event.json"
    path.write_text(text)
    with pytest.raises(BadListError):
        misp.read(path)
