"""`python -m drills`: run the drills, in the strongroom and in the conventional configuration, and tell the take."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

from rich.console import Console

from drills import report
from drills.catalogue import CONVENTIONAL, CONVENTIONAL_PLATFORM, DRILLS
from drills.model import Drill, Finding
from drills.run import run
from strongroom.processes.commands.display import Lines
from strongroom_core.errors import StrongroomError

FOLDER: Final = Path("var") / "drills"
INTERRUPTED: Final = 130
CONFIGURATIONS: Final = {"strongroom": frozenset[str](), "conventional": CONVENTIONAL | CONVENTIONAL_PLATFORM}


def main(argv: list[str] | None = None) -> int:
    """Run what was asked for; 0 where every drill that was run passed, 1 where one failed, 2 on a word unknown."""
    given = _arguments().parse_args(argv)
    if given.readme:
        report.refresh_readme()
        return 0
    drills = _chosen(given.only)
    try:
        if given.without:
            return _without(drills, frozenset(given.without.split(",")), given)
        return _both(drills, given)
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("stopped; `make drill` goes on from here", file=sys.stderr)
        return INTERRUPTED
    except StrongroomError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
        return 1


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make drill", description="Attack the running platform and measure the take.")
    parser.add_argument("--only", default="", help="numbers of drills, as in 3,7")
    parser.add_argument("--fresh", action="store_true", help="forget what an interrupted run has found already")
    parser.add_argument("--intents", type=int, default=100_000, help="how many forged intents drill 3 sends")
    parser.add_argument("--without", default="", help="rules to switch off: their drills must fail")
    parser.add_argument("--readme", action="store_true", help="only refresh the README's table from results.json")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="where the results go")
    parser.add_argument("--dir", type=Path, default=FOLDER, help="for environments, and what was found so far")
    return parser


def _chosen(only: str) -> list[Drill]:
    wanted = {int(number) for number in only.split(",") if number.strip()}
    unknown = wanted - {drill.number for drill in DRILLS}
    if unknown:
        message = f"make drill: there is no drill {', '.join(map(str, sorted(unknown)))}"
        raise SystemExit(message)
    return [drill for drill in DRILLS if not wanted or drill.number in wanted]


def _both(drills: list[Drill], given: argparse.Namespace) -> int:
    kept = report.Kept(given.dir / "found.json", [drill.number for drill in drills], fresh=given.fresh)
    for name, off in CONFIGURATIONS.items():
        missing = [drill for drill in drills if not kept.has(name, drill.number)]
        if missing:
            print(f"\n{name} configuration" + (f", without {', '.join(sorted(off))}" if off else ""), file=sys.stderr)
            _play(name, missing, off, given, kept)
    results = report.results(drills, kept)
    report.write(results, given.results)
    if given.results == report.RESULTS:
        report.refresh_readme()
    report.show(drills, kept, results)
    return 0 if all(row["passed"] for row in results) else 1


def _without(drills: list[Drill], off: frozenset[str], given: argparse.Namespace) -> int:
    """Switch rules off and run: the drills that own them have to fail, so that the exit code is 1."""
    kept = report.Kept(given.dir / "without.json", [drill.number for drill in drills], fresh=True)
    _play("without", drills, off, given, kept)
    for drill in drills:
        finding = kept.get("without", drill.number)
        print(
            f"drill {drill.number}: take {finding.take}, bound {finding.bound}, {'holds' if finding.sound else 'FAILS'}"
        )
    return 0 if all(kept.get("without", drill.number).sound for drill in drills) else 1


def _play(name: str, drills: list[Drill], off: frozenset[str], given: argparse.Namespace, kept: report.Kept) -> None:
    folder = report.empty_folder(given.dir / name)
    audience = Lines(Console(stderr=True))

    def keep(drill: Drill, finding: Finding) -> None:
        kept.put(name, drill.number, finding)

    conventional = name == "conventional"
    asyncio.run(run(folder, drills, off, audience, keep, intents=given.intents, conventional=conventional))


if __name__ == "__main__":
    sys.exit(main())
