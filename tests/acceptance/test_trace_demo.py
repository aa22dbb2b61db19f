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
    answer = run(*PROGRAM, "--json", "--dir", str(folder), seconds=240)
    assert answer.returncode == 0, answer.stderr
    return folder, json.loads(answer.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.timeout(300)
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


@pytest.mark.timeout(300)
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


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(500)
def test_the_take_of_a_drill_is_followed_on_the_platforms_own_chain(tmp_path: Path) -> None:
    answer = run(*PROGRAM, "--json", "--drill", "7", "--dir", str(tmp_path / "demo"), seconds=400)
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout.splitlines()[-1])
    assert int(report["marked"]) == int(report["take"]) > 0
    for policy, told in report["where"].items():
        sums = {name: int(value) for name, value in told["total"].items()}
        assert sums["marked"] == int(report["take"])
        assert policy == "poison" or sum(sums.values()) == 2 * sums["marked"]
    assert int(report["where"]["fifo"]["total"]["services"]) > 0
    assert processes_of(tmp_path) == []


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    answer = run(*PROGRAM, "--json", "--dir", str(tmp_path))
    assert answer.returncode == 1
    assert "holds other things" in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
