"""`make trace-demo`: a theft is played, followed under five policies, and told; nothing of it is left running."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.program import processes_of, run

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, str(CHECKOUT / "tools" / "trace_demo.py"))
ACTS = [
    "begin",
    "steal",
    "split",
    "peel",
    "mix",
    "cash",
    "index",
    "tags",
    "mark",
    "ready",
    "fifo",
    "lifo",
    "tiho",
    "haircut",
    "poison",
    "watch",
]
MARKED = 1_000_000_000 + 100_000_000 - 20_000


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The demonstration, once: its folder and what it told."""
    folder = tmp_path_factory.mktemp("trace") / "demo"
    answer = run(*PROGRAM, "--json", "--dir", str(folder), seconds=800)
    assert answer.returncode == 0, answer.stderr
    return folder, json.loads(answer.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_theft_is_followed_to_the_last_satoshi(demo: tuple[Path, dict[str, Any]]) -> None:
    folder, report = demo
    assert report["ok"]
    assert [step["name"] for step in report["steps"]] == ACTS
    where = report["where"]
    totals = {policy: {name: int(value) for name, value in told["total"].items()} for policy, told in where.items()}
    assert set(totals) == {"fifo", "lifo", "tiho", "haircut", "poison"}
    for policy, sums in totals.items():
        assert sums["marked"] == MARKED
        assert min(sums["held"], sums["services"], sums["fees"]) > 0
        if policy != "poison":
            assert sum(value for name, value in sums.items() if name != "marked") == MARKED
    assert len({told["provenance"] for told in where.values()}) == 5
    pages = {policy: (folder / f"{policy}.html").read_text() for policy in totals}
    assert all("Example Exchange" in text for text in pages.values())
    assert report["mix"] in pages["haircut"]
    assert "Whirlpool CoinJoin" in pages["haircut"]
    assert (folder / "fifo" / "held.parquet").exists()
    assert processes_of(folder) == []


@pytest.mark.timeout(900)
def test_the_notebook_runs_on_what_the_demonstration_left(
    demo: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = demo
    monkeypatch.setenv("STRONGROOM_TRACE_DEMO", str(folder))
    notebook = json.loads((CHECKOUT / "docs" / "tracing.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)  # noqa: S102 -- our own, from docs/
    assert "Example Exchange" in capsys.readouterr().out
    assert names["fifo"].answer.totals()["theft-1"]["marked"] == MARKED - 99_990_000
    assert names["clusters"].of(names["one"]) == names["clusters"].of(names["other"])


def follow(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """Play a drill on the whole platform, and follow its take."""
    answer = run(*PROGRAM, "--json", "--drill", *arguments, "--dir", str(tmp_path / "demo"), seconds=900)
    assert answer.returncode == 0, answer.stderr
    assert processes_of(tmp_path) == []
    report: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    assert report["ok"]
    return report


# Bitcoins that came to the thief, some of them paid to it honestly before (10), others misplaced among our own (12);
# fees that a miner got (15); tokens (6), a balance in the signers' books (16), gas (17).
@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("number", [7, 10, 12, 15, 6, 16, 17])
def test_the_take_of_a_drill_is_followed_on_the_platforms_own_chains(tmp_path: Path, number: int) -> None:
    report = follow(tmp_path, str(number))
    take = int(report["take"]) - int(report.get("burnt", 0))
    assert int(report["marked"]) == take > 0
    assert set(report["where"]) == {"fifo", "lifo", "tiho", "haircut", "poison"}
    for policy, told in report["where"].items():
        sums = {name: int(value) for name, value in told["total"].items()}
        marked = sums.pop("marked")
        assert policy == "poison" or sum(sums.values()) == marked == take
        assert f"The take of drill {number}" in (tmp_path / "demo" / f"{policy}.html").read_text(encoding="utf-8")
    assert number == 17 or int(report["where"]["haircut"]["total"]["services"]) > 0


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1000)
@pytest.mark.parametrize(
    ("arguments", "take", "words"),
    [
        (("14",), 502_500, "no coin moved"),
        (("1", "--strongroom"), 0, "the thief took nothing"),
    ],
)
def test_where_there_is_nothing_to_follow_that_is_said(
    tmp_path: Path, arguments: tuple[str, ...], take: int, words: str
) -> None:
    report = follow(tmp_path, *arguments)
    assert int(report["take"]) == take
    assert report["configuration"] == ("strongroom" if "--strongroom" in arguments else "conventional")
    assert words in report["nothing"]
    assert "where" not in report


def test_a_drill_that_there_is_not_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    answer = run(*PROGRAM, "--json", "--drill", "19", "--dir", str(folder))
    assert answer.returncode == 1
    report = json.loads(answer.stdout.splitlines()[-1])
    assert report["error"] == f"trace-demo: there is no drill 19; there are {', '.join(map(str, range(1, 19)))}"
    assert not folder.exists()
    assert run(*PROGRAM, "--strongroom", "--dir", str(folder)).returncode == 2


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    answer = run(*PROGRAM, "--json", "--dir", str(tmp_path))
    assert answer.returncode == 1
    assert "holds other things" in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
