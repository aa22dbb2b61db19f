"""`strongroom-trace` as an investigator uses it, on BlockSci's own regtest chain."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.feather
import pyarrow.parquet
import pytest
from rich.console import Console

from strongroom_tracing.cli import context
from strongroom_tracing.cli.app import app
from strongroom_tracing.export import METADATA_KEY
from tests.unit.tracing.cli.commands import MARK, Typing


def test_an_investigator_gets_from_a_theft_to_an_answer(run: Typing, case: str):
    said = run("trace", "-c", case, "-p", "haircut", "--on", "2026-01-02", "--report", "report.html")
    assert said.code == 0, said.err
    assert re.search(r"theft-1 +0.99990000 BTC +0.99985999 BTC +0.00004001 BTC", said.out)
    assert "ofac-sdn (760 tags, as of 2025-11-19, 44 days old)" in said.out
    assert "not thereby clean" in said.out
    assert "Limits: none." in said.out
    assert "A case" not in said.out
    assert "case: where the money is" in Path("report.html").read_text()


def test_the_same_question_gives_the_same_bytes(run: Typing, case: str):
    first, second = run("trace", "-c", case, "--json"), run("trace", "-c", case, "--json")
    assert first.out == second.out
    assert first.json["totals"] == {
        "theft-1": {
            "marked": "99990000",
            "held": "99990000",
            "services": "0",
            "fees": "0",
            "left": "0",
            "contested": "0",
            "origins": "0",
        }
    }
    other = run("trace", "-c", case, "-p", "lifo", "--json").json
    assert other["provenance_sha256"] != first.json["provenance_sha256"]
    assert other["totals"]["theft-1"]["fees"] == "10000"


def test_limits_and_stops_are_stated(run: Typing, case: str):
    said = run("trace", "-c", case, "--hops", "1", "--smallest", "0.5", "--height", "200")
    assert "Limits: hops at most 1; outputs with less than 0.50000000 BTC not followed; height limit 200." in said.out
    assert "hop-limit" in said.out
    assert "Lists checked: none" in run("trace", "-c", case, "--through-services").out


def test_a_service_stops_the_trace_and_is_named_with_its_total(run: Typing, case: str):
    held = run("trace", "-c", case, "--json").json["tables"]["held"]
    Path("exchange.csv").write_text(
        "# strongroom tags 1\n# source: me\n# as_of: 2026-01-01\nchain,address,label,category\n"
        f"bip122:0f9188f13cb7b2c71f2a335e3a4fc328,{held[0]['address']},Mt. Example,exchange\n"
    )
    assert run("tags", "import", "exchange.csv", "--list", "mine", "--json").json["list"]["tags"] == 1
    said = run("trace", "-c", case)
    assert re.search(r"Mt. Example \(exchange\) +theft-1 +0.9999", said.out)
    assert run("trace", "-c", case, "--json").json["by_service"]["Mt. Example (exchange)"]["theft-1"] == "99990000"
    assert run("tags", "remove", "mine").code == 0
    assert "Mt. Example" not in run("trace", "-c", case).out


@pytest.mark.parametrize("form", ["arrow", "parquet", "csv", "json", "stix"])
def test_an_answer_is_exported_with_what_it_rests_on(run: Typing, case: str, form: str):
    assert run("export", "-c", case, "--to", "out", "--format", form).code == 0
    first = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    assert run("export", "-c", case, "--to", "out", "--format", form).code == 0
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == first
    basis = json.loads(first[f"provenance-{form}.json"])
    assert basis["files"].keys() == first.keys() - {f"provenance-{form}.json"}
    facts = basis["provenance"]
    assert facts["method"]["policy"] == "fifo"
    if form == "json":
        assert json.loads(first["answer.json"])["tables"]["held"][0]["value"] == "99990000"
        return
    if form == "stix":
        assert run("tags", "import", "out/indicators.stix.json", "--list", "found", "--format", "stix").code == 0
        assert "holds 0.9999" in first["indicators.stix.json"].decode()
        return
    if form == "csv":
        assert next(csv.DictReader(first["held.csv"].decode().splitlines()))["value"] == "99990000"
        return
    table = (
        pyarrow.feather.read_table("out/held.arrow")
        if form == "arrow"
        else pyarrow.parquet.read_table("out/held.parquet")
    )
    assert table.column("value").to_pylist() == [99990000]
    assert json.loads(table.schema.metadata[METADATA_KEY]) == facts


def test_a_label_cannot_command_the_terminal():
    evil = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u200f\n\udcffb"
    with io.StringIO() as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(context, "out", Console(file=file, force_terminal=True, color_system=None, width=200))
        patch.setattr(context, "err", Console(file=file, force_terminal=True, color_system=None, width=200))
        patch.setattr("sys.stdout", file)
        context.say(evil)
        context.note(evil)
        context.show(evil, ("service",), [(evil,)])
        told = file.getvalue()
        file.seek(0)
        file.truncate()
        context.emit({"service": evil})
        as_json = file.getvalue()
    assert "owned" in told
    assert all(character == "\n" or character.isprintable() for character in told + as_json)
    assert as_json.count("\n") == 1
    assert json.loads(as_json) == {"service": evil}


def test_a_mark_that_is_not_in_the_chain_is_shown(run: Typing, case: str, names: dict[str, str]):
    marks = Path(case) / "marks.jsonl"
    gone = json.loads(marks.read_text()) | {"where": f"{'ab' * 32}:0", "reporter": "Ben"}
    with marks.open("a") as file:
        file.write(json.dumps(gone) + "\n")
    said = run("trace", "-c", case)
    assert said.code == 0, said.err
    assert re.search(rf"absent.*\n.*\n{gone['where']} +theft-1 +Ben", said.out)
    answer = run("trace", "-c", case, "--json").json
    assert [row["where"] for row in answer["tables"]["absent"]] == [gone["where"]]
    assert [mark.get("absent", False) for mark in answer["provenance"]["marks"]] == [False, True]
    marks.write_text(json.dumps(gone) + "\n")
    alone = run("trace", "-c", case, "--report", "report.html")
    assert alone.code == 0, alone.err
    assert "absent" in alone.out
    assert names["taint-split-tx-1"] not in alone.out


def test_marks_are_listed_and_the_same_report_twice_changes_nothing(run: Typing, case: str, names: dict[str, str]):
    where = f"{names['taint-split-tx-1']}:0"
    assert not run("mark", where, "-c", case, *MARK, "--json").json["new"]
    address = names["address-p2pkh-spend-0"]
    assert run("mark", address, "-c", case, *MARK).code == 0
    assert "already marked" in run("mark", address, "-c", case, *MARK).out
    assert [item["where"] for item in run("marks", "-c", case, "--json").json] == [where, address]
    assert "all received through height 201" in run("marks", "-c", case).out


def test_addresses_of_one_owner_are_listed_and_the_reason_given(run: Typing, case: str, indexed: Path):
    shutil.rmtree(indexed.with_name("index-clusters"), ignore_errors=True)
    said = run("cluster", "myowM8GghMuCX4tn58Nmh9eubwMjuwKiCJ", "--json")
    assert (said.json["members"], said.json["size"]) == (["myowM8GghMuCX4tn58Nmh9eubwMjuwKiCJ"], 1)
    assert said.json["provenance"]["parameters"]["address"] == "myowM8GghMuCX4tn58Nmh9eubwMjuwKiCJ"
    other = run("cluster", "myowM8GghMuCX4tn58Nmh9eubwMjuwKiCJ", "--why", "mrPRMELJcGsbKmuFiGwUgNCX9Wo4iSy44T")
    assert "not one" in other.out


@pytest.mark.parametrize(
    ("argv", "code", "word"),
    [
        ((), 2, ""),
        (("frob",), 2, "usage"),
        (("index",), 1, "usage"),
        (("index", "--node", "http://127.0.0.1:1"), 1, "usage"),
        (("index", "--blocks", "nowhere"), 1, "source-unreadable"),
        (("status", "-i", "nowhere"), 1, "index-missing"),
        (("trace", "-c", "nowhere"), 1, "case-missing"),
        (("trace", "-c", "case", "--tags", "nowhere"), 1, "lists-missing"),
        (("trace", "-c", "case", "-p", "nonsense"), 2, "usage"),
        (("trace", "-c", "case", "--smallest", "1e3"), 1, "amount-invalid"),
        (("trace", "-c", "case", "--smallest", str(2**63)), 1, "usage"),
        (("trace", "-c", "case", "--hops", str(2**62 + 1)), 1, "usage"),
        (("trace", "-c", "case", "--height", str(2**64)), 1, "usage"),
        (("trace", "-c", "case", "--on", "yesterday"), 1, "usage"),
        (("marks", "-c", "nowhere"), 1, "case-missing"),
        (("mark", "nonsense", "-c", "case", *MARK), 1, "mark-invalid"),
        (("mark", f"{'ab' * 32}:0", "-c", "case", *MARK), 1, "output-unknown"),
        (("mark", f"{'ab' * 32}:0", "-c", "case", *MARK[:3], "\udcff", *MARK[4:]), 1, "mark-invalid"),
        (("mark", f"{'ab' * 32}:0", "-c", "case", *MARK, "--amount", "-1"), 1, "amount-invalid"),
        (("cluster", "nonsense"), 1, "usage"),
        (("export", "-c", "case"), 2, "usage"),
        (("export", "-c", "case", "--to", "exchange.csv"), 1, "export-refused"),
        (("watch", "-c", "case", "--once"), 1, "usage"),
        (("tags", "lookup", "nonsense"), 1, "tags-address"),
        (("tags", "import", "nowhere.csv", "--list", "x"), 1, "tags-list"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_code_and_what_to_do(
    run: Typing, case: str, argv: tuple[str, ...], code: int, word: str
):
    Path("exchange.csv").write_text("x")
    said = run(*argv)
    assert said.code == code
    assert "Traceback" not in said.err
    assert said.err.startswith(word), said.err
    assert len(said.err) < 600


def test_every_command_explains_itself(run: Typing):
    for command in (
        (),
        *(
            (name,)
            for name in (
                "index",
                "status",
                "mark",
                "marks",
                "trace",
                "export",
                "watch",
                "cluster",
                "exposure",
                "changes",
                "peel",
                "tags",
            )
        ),
    ):
        said = run(*command, "--help")
        assert said.code == 0
        assert "Usage" in said.out
    assert len(app.registered_commands) == 11


def test_a_key_press_ends_a_long_build_cleanly_and_it_goes_on(tmp_path: Path, shared_data: Path):
    """The program itself, stopped by SIGINT while it starts or builds: 130, and the next run finishes."""
    blocks = tmp_path / "blk"
    blocks.mkdir()
    shutil.copy(shared_data / "btc_blocks" / "blocksci_regtest_btc.blk00000.dat", blocks / "blk00000.dat")
    argv = [
        sys.executable,
        "-m",
        "strongroom_tracing.cli.app",
        "index",
        "--blocks",
        str(blocks),
        "-i",
        str(tmp_path / "index"),
    ]
    program = subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
    deadline = time.monotonic() + 60
    while not (tmp_path / "index").exists() and program.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=200)
    assert program.returncode in {0, 130}, said
    assert "Traceback" not in said
    again = subprocess.run([*argv, "--json"], capture_output=True, text=True, timeout=280, check=True)
    assert json.loads(again.stdout)["tip"]["height"] == 201
