"""A slice of `make drill`: attacks on the whole platform, and that each fails where its rule is switched off."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from drills import report
from drills.catalogue import CONVENTIONAL, CONVENTIONAL_PLATFORM, DRILLS
from tests.acceptance.program import processes_of, run

ROOT = Path(__file__).parents[2]
FIELDS = {
    *("id", "name", "owned", "asset", "take", "bound", "share", "client_shortfall", "detected_seconds"),
    *("conventional_take", "passed"),
}


def drill(folder: Path, *arguments: str, seconds: float = 900):
    return run(sys.executable, "-m", "drills", "--dir", str(folder), "--intents", "400", *arguments, seconds=seconds)


# What ten minutes beside all other tests hold. The rest, and drill 3 with its 100,000 intents, is `make drill`.
SLICE = (1, 2, 4, 6, 7, 8, 12, 14, 15, 16, 18)
BOUNDED = {2, 15, 16}  # a thief may take something there, as much as a formula says


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_nothing_beyond_its_bound_is_taken_and_what_a_conventional_house_loses_is_told(scratch: Path) -> None:
    only = ",".join(map(str, SLICE))
    answer = drill(scratch / "drills", "--only", only, "--results", str(scratch / "results.json"), seconds=2900)

    assert answer.returncode == 0, answer.stdout + answer.stderr
    rows = json.loads((scratch / "results.json").read_text())
    assert [row["id"] for row in rows] == list(SLICE)
    for row in rows:
        assert set(row) == FIELDS
        assert int(row["take"]) <= int(row["bound"])
        assert int(row["bound"]) == 0 or row["id"] in BOUNDED
        assert (row["client_shortfall"], row["passed"]) == ("0", True)
        assert row["detected_seconds"] is not None
        assert int(row["conventional_take"]) > int(row["take"])
    assert processes_of(scratch / "drills") == []


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_drills_fail_without_the_rules_that_they_own(scratch: Path) -> None:
    answer = drill(scratch / "drills", "--only", "7", "--without", "output-unmatched")

    assert answer.returncode == 1, answer.stdout + answer.stderr
    verdicts = [line.rpartition(" ")[2] for line in answer.stdout.splitlines() if line.startswith("drill ")]
    assert verdicts == ["FAILS"]


def test_every_drill_has_a_number_of_its_own_and_the_comparison_switches_its_rules_off() -> None:
    assert len({item.number for item in DRILLS}) == len(DRILLS)
    for item in DRILLS:
        assert set(item.mutants) <= set(item.rules)
        assert set(item.mutants) <= CONVENTIONAL | CONVENTIONAL_PLATFORM


def test_the_readme_shows_what_the_results_say() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for row in json.loads(report.RESULTS.read_text(encoding="utf-8")):
        assert f"| {row['id']} {row['name']}" in text
