"""Plain lists, the FBI's, Forta's and our own CSV."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom_tracing.tags.errors import BadLinesError, BadListError
from strongroom_tracing.tags.imports import address_lists, csv, fbi, forta
from strongroom_tracing.tags.imports.reading import NOTHING, Given
from strongroom_tracing.tags.model import Category, Problem, Tag

BITCOIN = "bip122:000000000019d6689c085ae165831e93"
REGTEST = "bip122:0f9188f13cb7b2c71f2a335e3a4fc328"
GIVEN = Given(source="a source", label="a label", as_of=date(2025, 1, 2), category=Category.SANCTIONED, confidence=60)
EVM = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plain_list_has_its_assets_name_and_skips_comments(tmp_path: Path) -> None:
    path = written(
        tmp_path, "sanctioned_addresses_XBT.txt", "# of today\n1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2 # one\n\nnope\n"
    )
    problems: list[Problem] = []
    (tag,) = address_lists.read(path, GIVEN, problems=problems)
    assert (tag.chain, tag.currency, tag.category) == (BITCOIN, "XBT", Category.SANCTIONED)
    assert [problem.line for problem in problems] == [4]
    with pytest.raises(BadLinesError):
        address_lists.read(path, GIVEN)


def test_a_list_without_source_label_or_date_is_worth_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", EVM)
    for poor in (NOTHING, Given(source="s", label="l"), Given(source="s", as_of=date(2025, 1, 1))):
        with pytest.raises(BadListError):
            address_lists.read(path, poor)
    assert address_lists.read(path, GIVEN)[0].chain == "eip155:1"  # known by its form


def test_a_list_that_is_no_text_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadListError, match="UTF-8"):
        address_lists.read(path, GIVEN)
    monkeypatch.setattr("strongroom_tracing.tags.imports.reading.FILE_BYTES_MAX", 10)
    with pytest.raises(BadListError, match="more than"):
        address_lists.read(written(tmp_path, "b.txt", EVM), GIVEN)


def test_the_sanctions_lists_of_real_life_are_read(shared_data: Path) -> None:
    problems: list[Problem] = []
    read = {
        path.stem.rpartition("_")[2]: address_lists.read(path, GIVEN, problems=problems)
        for path in (shared_data / "sanctions").glob("sanctioned_addresses_*.txt")
    }
    counted = {asset: len(tags) for asset, tags in read.items()}
    assert counted["XBT"] == 517
    assert counted["USDT"] == 93
    assert counted["XMR"] == 7
    assert sum(counted.values()) == 757
    # Listed as Bitcoin, and a Tron address; and what is no address of Monero's at all.
    assert [tag.chain for tag in read["XBT"] if tag.note] == ["tron:0x2b6653dc"]
    assert [problem.line for problem in problems] == [2]


def test_the_fbis_list_of_the_bybit_theft(shared_data: Path) -> None:
    tags = fbi.read(shared_data / "theft" / "fbi_bybit_51_eth.txt")
    assert len({tag.address for tag in tags}) == 51
    assert {(tag.category, tag.source_date, tag.confidence) for tag in tags} == {
        (Category.THEFT, date(2025, 2, 26), 60)
    }


def test_fortas_three_files_are_told_apart(tmp_path: Path) -> None:
    labelled = (
        "banned_address,wallet_tag,data_source\n"
        f"{EVM},Heister 1,etherscan-heist-list\n{EVM},,etherscan-phish-hack-list\n"
    )
    heist, phish = forta.read(written(tmp_path, "a.csv", labelled), Given(as_of=date(2023, 1, 1)))
    assert (heist.category, heist.label) == (Category.THEFT, "Heister 1")
    assert (phish.category, phish.label) == (Category.PHISHING, "etherscan-phish-hack-list")
    contracts = (
        "contract_address,contract_tag,contract_creator,contract_creation_tx,contract_creator_tag,source,notes,"
        f"contract_creator_etherscan_label\n{EVM},,0x04ae3226c80e8c04d35e6e56089345bdd06da6de,0x1,Exploiter,x,,exploit\n"
    )
    contract, creator = forta.read(written(tmp_path, "b.csv", contracts), Given(as_of=date(2023, 1, 1)))
    assert (contract.category, contract.label) == (Category.MALICIOUS_CONTRACT, "contract of Exploiter")
    assert (creator.category, creator.label, creator.address[:6]) == (Category.THEFT, "Exploiter", "0x04ae")
    with pytest.raises(BadListError):
        forta.read(written(tmp_path, "c.csv", "a,b\n1,2\n"), Given(as_of=date(2023, 1, 1)))


def test_fortas_files_of_real_life_are_read(shared_data: Path) -> None:
    problems: list[Problem] = []
    read = [
        len(forta.read(path, Given(as_of=date(2023, 5, 1)), problems=problems))
        for path in sorted((shared_data / "labels").glob("forta_*.csv"))
    ]
    assert read == [7778, 753 * 2, 6724]
    assert {(problem.line, problem.text[:6]) for problem in problems} == {
        *((1825, "0xA0DF"), (6902, "0xf299"), (4253, "0xA0DF"), (6402, "0xf299"))
    }


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).map(str.strip)
TAGS = st.builds(
    Tag,
    chain=st.just("eip155:1"),
    address=st.integers(0, 2**160 - 1).map(lambda number: f"0x{number:040x}"),
    label=WORDS.filter(bool),
    category=st.sampled_from(Category),
    actor=WORDS,
    source=WORDS.filter(bool),
    source_date=st.dates(min_value=date(2009, 1, 3)),
    confidence=st.integers(0, 100),
    licence=WORDS,
    uri=WORDS,
    currency=WORDS,
    note=WORDS,
)


@given(tags=st.lists(TAGS, min_size=1, max_size=5, unique=True))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_written_in_our_own_format_is_read_again(tmp_path: Path, tags: list[Tag]) -> None:
    path = tmp_path / "a.csv"
    csv.write(path, tags, source="somebody: everything", as_of=date(2025, 1, 1))
    once = path.read_bytes()
    assert set(csv.read(path)) == set(tags)
    csv.write(path, reversed(tags), source="somebody: everything", as_of=date(2025, 1, 1))
    assert path.read_bytes() == once


def test_our_own_format_may_be_short_and_its_head_fills_in(tmp_path: Path) -> None:
    text = (
        "# strongroom tags 1\n# source: me\n# as_of: 2025-03-04\nchain,currency,address,label,category\n"
        f"{REGTEST},,bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080,A shop,exchange\n,ETH,{EVM},B,\n"
        f",ETH,{EVM[:-1]}D,C,exchange\n,ETH,{EVM},D,bank\nnot-caip,,{EVM},E,\n"
    )
    text = text.replace("A shop", '"A ""shop""\n# and more"')
    problems: list[Problem] = []
    first, second = csv.read(written(tmp_path, "a.csv", text), problems=problems)
    assert (first.chain, first.category, first.source) == (REGTEST, Category.EXCHANGE, "me")
    assert first.label == 'A "shop"\n# and more'
    assert (second.source_date, second.category) == (date(2025, 3, 4), Category.OTHER)
    assert [problem.line for problem in problems] == [8, 9, 10]


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", "label\nx\n", "# as_of: soon\naddress\n", "", f"address\n{'a' * 200_000}\n"]
)
def test_other_columns_and_a_bad_head_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadListError):
        csv.read(written(tmp_path, "a.csv", text), GIVEN)
