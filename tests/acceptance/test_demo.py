"""`strongroom demo --json`: the main job once, for real, without a terminal."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from strongroom.demo.story import STEPS
from tests.acceptance.program import STRONGROOM, environment, processes_of, run

SECONDS = ("payment_seen", "webhook", "payout_signed", "invoice_to_paid", "usdt_paid", "usdc_signed")
SETUP = ["ground", "keys", "genesis", "chain", "contracts", "processes"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_main_job_happens_once_and_leaves_nothing(tmp_path: Path) -> None:
    begun = time.monotonic()
    answer = run(*STRONGROOM, "demo", "--json", cwd=tmp_path, seconds=800)
    took = time.monotonic() - begun
    report = json.loads(answer.stdout.splitlines()[-1])

    assert (answer.returncode, report["ok"]) == (0, True), answer.stderr
    assert [step["name"] for step in report["steps"]] == SETUP + [step.name for step in STEPS]
    assert all(step["ok"] and step["seconds"] >= 0 for step in report["steps"])
    figures = report["figures"]
    # How fast it is on a machine of one's own is measured by `make bench`; beside other tests it only has to be true.
    for name in SECONDS:
        assert 0 < figures[f"{name}_seconds"] < took, name
    assert 50 < figures["memory_mib"] < 2_000
    assert list((tmp_path / "var").iterdir()) == []
    assert processes_of(tmp_path) == []


def test_a_story_is_told_in_an_empty_folder_only(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    answer = run(*STRONGROOM, "demo", "--json", "--dir", str(tmp_path))

    assert answer.returncode == 1
    assert "environment-unusable" in answer.stderr + answer.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_a_step_that_does_not_happen_is_told_and_the_exit_code_tells(tmp_path: Path) -> None:
    """On a machine whose node does not start, for one."""
    node = tmp_path / "bitcoind"
    node.write_text("#!/bin/sh\nexit 3\n")
    node.chmod(0o755)
    answer = subprocess.run(
        [*STRONGROOM, "demo", "--json"],
        cwd=tmp_path,
        env=environment() | {"STRONGROOM_BITCOIND": str(node)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    report = json.loads(answer.stdout.splitlines()[-1])

    assert (answer.returncode, report["ok"]) == (1, False)
    assert [(step["name"], step["ok"]) for step in report["steps"]] == [("ground", False)]
    assert "bitcoind" in report["error"]
    assert Path(report["folder"]).name == "demo"
    assert processes_of(tmp_path) == []
