"""`strongroom-trace evm`: index, status and trace from the command line, and cases as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from strongroom_core.errors import StrongroomError
from strongroom_tracing.accounts import service, store
from strongroom_tracing.accounts.cases import Case
from strongroom_tracing.accounts.errors import BrokenIndexError, OpenEntryError, OutOfRangeError, QuestionError
from strongroom_tracing.accounts.model import Block, Limits, Mark
from strongroom_tracing.accounts.parquet import transfers_table
from strongroom_tracing.accounts.store import Manifest
from strongroom_tracing.cli.accounts import evm
from strongroom_tracing.cli.errors import UsageError
from strongroom_tracing.tags import snapshots
from strongroom_tracing.tags.store import TagStore
from strongroom_tracing.taint.model import Direction, Policy
from tests.unit.tracing.accounts.support import CHAIN, ETH, TOKEN, Ledger, question, text

PREFIX = "eth_17173049_17173050_"


def _run(*words: object) -> Any:
    found = CliRunner().invoke(evm, [str(word) for word in words], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.stdout


@pytest.fixture(scope="module")
def exported(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    for kind in ("blocks", "transactions", "logs"):
        (folder / f"{kind}.json").symlink_to(shared_data / "evm" / f"{PREFIX}{kind}.json")
    return folder


def test_real_blocks_are_indexed_and_traced_to_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    where, case = tmp_path / "index", tmp_path / "case.json"
    made = json.loads(_run("index", "--index", where, "--etl", exported, "--json"))
    assert (made["height"], made["traced"]) == (17173050, False)
    assert "WITHOUT inner payments" in _run("status", "--index", where)
    thief = "0xef1c6e67703c7bd7107eed8303fbe6ec2554bf6b"
    case.write_text(json.dumps({"thieves": [{"claim": "shop", "address": thief}]}))
    asked = ("trace", "--case", case, "--index", where, "--through-services", "--policy", "haircut")
    said = _run(*asked, "--json", "--to", tmp_path / "one")
    _run(*asked, "--to", tmp_path / "two")
    one, two = ((tmp_path / name / "answer.json").read_bytes() for name in ("one", "two"))
    assert one == two
    assert json.loads(said) == json.loads(one)
    basis = json.loads(one)["provenance"]
    assert (basis["chain"], basis["height"], basis["method"]["policy"]) == (CHAIN, 17173050, "haircut")
    assert basis["parameters"]["untraced"] == [CHAIN]
    held = pq.read_table(tmp_path / "one" / "held.parquet").to_pylist()
    assert held
    assert all(int.from_bytes(row["value"], "big") == int(row["value_text"]) for row in held)
    plain = _run(*asked)
    assert "WETH" in plain
    assert "missing" in plain
    assert "HAIRCUT forward" in plain


def test_an_export_without_tokens_is_refused(exported: Path, tmp_path: Path) -> None:
    for kind in ("blocks", "transactions"):
        (tmp_path / f"{kind}.json").symlink_to(exported / f"{kind}.json")
    with pytest.raises(UsageError, match="neither logs nor token_transfers"):
        _run("index", "--index", tmp_path / "index", "--etl", tmp_path)
    assert not (tmp_path / "index").exists()


def test_a_case_says_all_that_a_question_can(tmp_path: Path) -> None:
    ledger = Ledger()
    ledger.tx()
    stolen = ledger.coin("victim", "thief", 100)
    ledger.tx()
    ledger.coin("thief", "exchange", 90)
    path = tmp_path / "case.json"
    data = {
        "marks": [{"claim": "p", "transfer": stolen, "amount": "60"}],
        "thieves": [{"claim": "q", "address": text("thief"), "until": 2}],
        "stops": {text("exchange"): "Exchange"},
        "openings": [{"address": text("thief"), "asset": ETH, "amount": "5"}],
        "smallest": {ETH: "1"},
        "genuine": [{"chain": CHAIN, "contract": "0x" + TOKEN.hex().upper(), "symbol": "TOK", "decimals": 18}],
    }
    path.write_text(json.dumps(data))
    case = Case.read(path)
    assert f"{CHAIN}/erc20:0x{TOKEN.hex()}" in case.genuine().assets
    index = ledger.index()
    answer = service.trace(index, case.question(index, Policy.FIFO, Direction.FORWARD, stops={text("exchange"): "tag"}))
    assert answer.totals() == [("Exchange", ETH, "p", 60), ("Exchange", ETH, "q", 25)]
    assert [(row.claim, row.winner, row.value) for row in answer.contested] == [("q", "p", 60)]


def _indexed(ledger: Ledger, folder: Path) -> str:
    """Write a ledger as an index; the name of its first row."""
    heads = [Block(n, bytes([n]) * 32, bytes([n - 1]) * 32, n) for n in range(1, ledger.number + 1)]
    made = store.write_tables(folder, 0, heads, transfers_table(ledger.rows))
    store.save_manifest(folder, Manifest(CHAIN, True, heads[-1].block_hash.hex(), (made,)))
    return service.open_indexes(folder).name(0)


@pytest.fixture
def split(tmp_path: Path) -> tuple[str, ...]:
    """A theft of 100 wei, split into 60 and 40, indexed, as the words that ask about it."""
    ledger = Ledger()
    ledger.tx()
    stolen = ledger.coin("victim", "thief", 100)
    for name, value in (("one", 60), ("two", 40)):
        ledger.tx()
        ledger.coin("thief", name, value)
    _indexed(ledger, tmp_path / "index")
    (tmp_path / "case.json").write_text(json.dumps({"marks": [{"claim": "p", "transfer": stolen}]}))
    words = ("trace", "-c", tmp_path / "case.json", "-i", tmp_path / "index", "--through-services", "--json")
    return tuple(map(str, words))


def test_smallest_is_in_coins_and_ends_a_trace(split: tuple[str, ...]) -> None:
    found = json.loads(_run(*split, "--smallest", "0.00000000000000005"))  # 50 wei
    assert [(row["address"], row["reason"], row["value"]) for row in found["answer"]["left"]] == [
        (text("two"), "below-threshold", "40")
    ]
    assert found["provenance"]["parameters"]["smallest"] == [[ETH, "50"]]
    assert not json.loads(_run(*split, "--hops", str(2**62)))["answer"]["left"]


def test_limits_and_lists_stand_in_what_people_read(split: tuple[str, ...], tmp_path: Path) -> None:
    asked = [word for word in split if word not in ("--json", "--through-services")]
    snapshots.install(TagStore.open(tmp_path / "lists"))
    limits = ("--hops", 3, "--smallest", "0.5", "--block", 9, "--busy", 4)
    said = " ".join(_run(*asked, "--tags", tmp_path / "lists", "--on", "2026-01-02", *limits).split())
    assert "FIFO forward" in said
    assert (
        "Limits: hops at most 3; transfers of less than 0.500000000000000000 ETH not followed; block limit 9;" in said
    )
    assert "addresses with more than 4 transfers of an asset not followed." in said
    assert "ofac-sdn (760 tags, as of 2025-11-19, 44 days old)" in said
    assert "not thereby clean" in said
    without = _run(*(word for word in split if word != "--json"))
    assert "Limits: none." in without
    assert "Lists checked: none" in without


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--hops", str(2**62 + 1)), "accounts-out-of-range"),
        (("--hops", str(10**40)), "accounts-out-of-range"),
        (("--block", str(2**63)), "accounts-out-of-range"),
        (("--busy", str(2**64)), "accounts-out-of-range"),
        (("--smallest", str(2**256)), "amount-invalid"),
        (("--smallest", "-1"), "amount-invalid"),
        (("--smallest", "1e3"), "amount-invalid"),
    ],
)
def test_a_limit_beyond_what_any_chain_has_is_refused(
    split: tuple[str, ...], words: tuple[str, ...], code: str
) -> None:
    with pytest.raises(StrongroomError) as raised:
        _run(*split, *words)
    assert raised.value.code == code
    assert len(raised.value.message) > 20


def test_a_smallest_of_the_case_or_of_a_caller_is_a_word_of_256_bits(split: tuple[str, ...]) -> None:
    index = service.open_indexes(Path(split[4]))
    mark = Mark("p", index.name(0))
    for limits in (Limits(smallest={ETH: 2**256}), Limits(smallest={ETH: -1}), Limits(hops=-1), Limits(transfers=-1)):
        with pytest.raises(OutOfRangeError):
            service.trace(index, question(Policy.FIFO, mark, limits=limits))
    assert service.trace(index, question(Policy.FIFO, mark, limits=Limits(smallest={ETH: 2**256 - 1}))).left
    case = Path(split[2])
    case.write_text(json.dumps(json.loads(case.read_text()) | {"smallest": {ETH: str(2**256)}}))
    with pytest.raises(QuestionError):
        _run(*split)


def test_status_checks_every_file_on_demand(split: tuple[str, ...]) -> None:
    folder = Path(split[4])
    assert json.loads(_run("status", "-i", folder, "--check", "--json"))["transfers"] == 3
    path = next(folder.rglob("transfers/*/*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    assert json.loads(_run("status", "-i", folder, "--json"))["transfers"] == 3
    with pytest.raises(BrokenIndexError):
        _run("status", "-i", folder, "--check")


@pytest.mark.parametrize(
    "wrong",
    [
        "[]",
        "{}",
        "nonsense",
        '{"marks": [{"claim": "p", "transfer": "0x1:coin0", "amount": 1.5}]}',
        '{"marks": [{"claim": "p"}]}',
        '{"marks": [{"claim": "p", "transfer": "0x1:coin0", "amount": "-1"}]}',
        '{"thieves": [{"claim": "p", "address": "0x0000000000000000000000000000000000000001"}]}',
        '{"thieves": [{"claim": "p", "address": "0x1"}]}',
        '{"marks": [], "thief": []}',
    ],
)
def test_a_case_that_is_not_whole_is_refused(tmp_path: Path, wrong: str) -> None:
    ledger = Ledger()
    ledger.issue("ann", 1)
    path = tmp_path / "case.json"
    path.write_text(wrong)
    with pytest.raises(QuestionError):
        Case.read(path).question(ledger.index(), Policy.FIFO, Direction.FORWARD)


def _claims(*entries: dict[str, Any]) -> Case:
    return Case({"thieves": [{"address": text("thief"), **entry} for entry in entries]})


def test_money_that_is_still_to_come_is_marked_for_no_claim_of_several() -> None:
    """Else the first entry for an address would take, by its age, every later theft that goes there."""
    ledger = Ledger()
    ledger.tx()
    first = ledger.coin("alice", "thief", 10)
    ledger.tx()
    later = ledger.coin("bob", "thief", 30)
    index = ledger.index()

    def marks(case: Case, absent: list[str] | None = None) -> list[tuple[str, str]]:
        asked = case.question(index, Policy.FIFO, Direction.FORWARD, absent=absent)
        return [(mark.claim, mark.transfer) for mark in asked.marks]

    assert marks(_claims({"claim": "a"})) == [("a", first), ("a", later)]  # one claim takes from nobody
    stated = ({"claim": "a", "until": 1}, {"claim": "b", "since": 2, "until": 2})
    assert marks(_claims(*stated)) == [("a", first), ("b", later)]
    for open_entry in ({"claim": "a"}, {"claim": "a", "until": 3}):
        with pytest.raises(OpenEntryError, match="until, at most 2"):
            marks(_claims(open_entry, stated[1]))
    with pytest.raises(OpenEntryError):
        marks(
            Case({"marks": [{"claim": "b", "transfer": later}], "thieves": [{"claim": "a", "address": text("thief")}]})
        )
    # A chain that is followed may lose its newest blocks for a moment: that ends no watch, an entry without end does.
    assert marks(_claims({"claim": "a", "until": 3}, stated[1]), []) == [("a", first), ("a", later), ("b", later)]
    with pytest.raises(OpenEntryError):
        marks(_claims({"claim": "a"}, stated[1]), [])
    assert OpenEntryError.code == "accounts-open-entry"
