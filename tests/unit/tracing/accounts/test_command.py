"""`strongroom-trace evm`: index, status and trace from the command line, and cases as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from strongroom_tracing.accounts import service
from strongroom_tracing.accounts.cases import Case
from strongroom_tracing.accounts.errors import QuestionError
from strongroom_tracing.cli.accounts import evm
from strongroom_tracing.taint.model import Direction, Policy
from tests.unit.tracing.accounts.support import CHAIN, ETH, TOKEN, Ledger, text

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


def test_a_case_says_all_that_a_question_can(tmp_path: Path) -> None:
    ledger = Ledger()
    ledger.tx()
    stolen = ledger.coin("victim", "thief", 100)
    ledger.tx()
    ledger.coin("thief", "exchange", 90)
    path = tmp_path / "case.json"
    data = {
        "marks": [{"claim": "p", "transfer": stolen, "amount": "60"}],
        "thieves": [{"claim": "q", "address": text("thief")}],
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
