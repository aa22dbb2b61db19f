"""What a drill's finding comes to, how a run goes on, and what is written of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drills import report
from drills.catalogue import DRILLS
from drills.d02_signing_key_stolen import bound
from drills.model import Finding, Moment, Reading, gained, vanished
from strongroom.demo.configuration import ASSET
from strongroom.demo.money_in import CAPS

NOTHING = Finding(0, 0, 100, 0, 1.5, "a journal", 2.0, ("asked: refused",))
DRILL = next(item for item in DRILLS if item.number == 7)


def reading(**changes: int) -> Reading:
    thief, assets, claims = ({ASSET.id: changes.get(name, 0)} for name in ("thief", "assets", "claims"))
    return Reading(thief, assets, claims, gas=0, unpaid_goods=0, own_worth=0, deposited=0)


@pytest.mark.parametrize(
    "change", [{"take": 1}, {"shortfall": 1}, {"detected_seconds": None}, {"trouble": "it was not played"}]
)
def test_a_promise_that_is_broken_anywhere_is_not_kept(change: dict[str, Any]) -> None:
    assert NOTHING.sound
    assert not replace(NOTHING, **change).sound


def test_a_take_within_its_bound_is_as_promised() -> None:
    assert replace(NOTHING, take=5, bound=5).sound
    assert not replace(NOTHING, take=6, bound=5).sound


def test_what_the_thief_paid_in_is_taken_off_and_what_left_custody_counts_wherever_it_went() -> None:
    assert gained(DRILL, reading(thief=70), reading(thief=100)) == 30
    assert vanished(DRILL, reading(assets=100), reading(assets=98)) == 2


def test_a_stolen_key_takes_the_balance_or_its_caps_by_the_windows_until_somebody_notices() -> None:
    window = 86_400
    world = SimpleNamespace(policy=SimpleNamespace(limits={ASSET.id: SimpleNamespace(window_seconds=window)}))
    cap = CAPS[ASSET.id][1]
    for seconds, balance, expected in (
        (1, 10**12, 2 * cap),
        (window, 10**12, 2 * cap),
        (window + 1, 10**12, 3 * cap),
        (1, 7, 7),
    ):
        assert bound(Moment(world, reading(claims=balance), seconds)) == expected  # type: ignore[arg-type]


def test_an_interrupted_run_goes_on_and_a_finished_one_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    first = report.Kept(file, [7, 8], fresh=False)
    first.put("strongroom", 7, NOTHING)
    second = report.Kept(file, [7, 8], fresh=False)
    assert (second.has("strongroom", 7), second.has("strongroom", 8)) == (True, False)
    assert second.get("strongroom", 7) == NOTHING
    assert not report.Kept(file, [7, 8], fresh=True).has("strongroom", 7)
    for configuration in ("strongroom", "conventional"):
        for number in (7, 8):
            second.put(configuration, number, NOTHING)
    assert not report.Kept(file, [7, 8], fresh=False).has("strongroom", 7)


def test_a_drill_passes_only_where_the_comparison_loses_something(tmp_path: Path) -> None:
    kept = report.Kept(tmp_path / "found.json", [7], fresh=True)
    kept.put("strongroom", 7, NOTHING)
    for take, passed in ((0, False), (10**20, True)):
        kept.put("conventional", 7, replace(NOTHING, take=take))
        (row,) = report.results([DRILL], kept)
        assert (row["passed"], row["conventional_take"]) == (passed, str(take))


def test_results_of_other_drills_stay(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    report.write([{"id": 3, "name": "old"}, {"id": 7, "name": "old"}], file)
    report.write([{"id": 7, "name": "new"}], file)
    assert [(row["id"], row["name"]) for row in json.loads(file.read_text())] == [(3, "old"), (7, "new")]
