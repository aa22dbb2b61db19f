"""What was found so far, and the results: a table on the terminal, `drills/results.json`, the README's table."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from drills.catalogue import DRILLS
from drills.model import Drill, Finding
from strongroom.infra.components.hosting import write_private
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset

RESULTS: Final = Path(__file__).parent / "results.json"
README: Final = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- drills -->", "<!-- /drills -->"
_SHARE_DIGITS: Final = 6
WIDTH: Final = 150


class Kept:
    """Findings by configuration and drill, in a file that is replaced after each, so that a run can go on."""

    def __init__(self, file: Path, numbers: Sequence[int], *, fresh: bool) -> None:
        """Read what an interrupted run left; a run that came to its end is begun anew."""
        self._file = file
        self._found: dict[str, dict[str, Any]] = {}
        if not fresh and file.exists():
            self._found = json.loads(file.read_text(encoding="utf-8"))
        wanted = {str(number) for number in numbers}
        if len(self._found) > 1 and all(wanted <= set(found) for found in self._found.values()):
            self._found = {
                name: {k: v for k, v in found.items() if k not in wanted} for name, found in self._found.items()
            }

    def has(self, configuration: str, number: int) -> bool:
        """Whether a drill was played already."""
        return str(number) in self._found.get(configuration, {})

    def get(self, configuration: str, number: int) -> Finding:
        """Give what a drill came to."""
        body = dict(self._found[configuration][str(number)])
        return Finding(**(body | {"tried": tuple(body["tried"])}))

    def put(self, configuration: str, number: int, finding: Finding) -> None:
        """Keep a finding."""
        self._found.setdefault(configuration, {})[str(number)] = asdict(finding)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_private(self._file, json.dumps(self._found, indent=1) + "\n")


def results(drills: Sequence[Drill], kept: Kept) -> list[dict[str, Any]]:
    """Give the rows of results.json; amounts are base units of the asset, as decimal text."""
    return [
        _row(drill, kept.get("strongroom", drill.number), kept.get("conventional", drill.number)) for drill in drills
    ]


def write(rows: Sequence[dict[str, Any]], file: Path = RESULTS) -> None:
    """Put rows into the file of results, in place of those of the same drills, in the order of their numbers."""
    known = {row["id"]: row for row in _results(file)} | {row["id"]: row for row in rows}
    file.write_text(json.dumps([known[number] for number in sorted(known)], indent=1) + "\n", encoding="utf-8")


def show(drills: Sequence[Drill], kept: Kept, rows: Sequence[dict[str, Any]]) -> None:
    """Print the table, and below it what was tried where a drill failed."""
    table = Table(title="Drills: what an attacker gets away with", title_justify="left", show_lines=True)
    for column in ("drill", "owned", "tried", "take", "share", "bound", "clients short", "noticed", "conventional", ""):
        table.add_column(column, overflow="fold")
    by_number = {row["id"]: row for row in rows}
    for drill in drills:
        table.add_row(*_cells(drill, kept.get("strongroom", drill.number), by_number[drill.number]))
    console = Console()
    (console if console.width >= WIDTH else Console(width=WIDTH)).print(table)
    for drill in drills:
        if not by_number[drill.number]["passed"]:
            found = kept.get("strongroom", drill.number)
            told = [found.trouble or "what was tried:", *found.tried]
            console.print(f"drill {drill.number}: " + "\n  ".join(told), markup=False)


def refresh_readme() -> None:
    """Write the table between the README's marks from results.json; without results nothing changes."""
    text = README.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text or not _results():
        return
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    README.write_text(f"{head}{BEGIN}\n{_markdown(_results())}\n{END}{tail}", encoding="utf-8")


def empty_folder(folder: Path) -> Path:
    """Give a folder with nothing in it; what a killed run left there is no use to anybody."""
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    for old in folder.parent.glob(f"{folder.name}-*"):
        shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))


def _row(drill: Drill, found: Finding, conventional: Finding) -> dict[str, Any]:
    return {
        "id": drill.number,
        "name": drill.name,
        "owned": drill.owned,
        "asset": drill.asset.id,
        "take": str(found.take),
        "bound": str(found.bound),
        "share": _share(found.take, found.custody),
        "client_shortfall": str(found.shortfall),
        "detected_seconds": found.detected_seconds,
        "conventional_take": str(conventional.take),
        "passed": found.sound and conventional.take > 0 and not conventional.trouble,
    }


def _share(take: int, custody: int) -> float:
    return round(take / custody, _SHARE_DIGITS) if custody else 0.0


def _cells(drill: Drill, found: Finding, row: dict[str, Any]) -> list[str]:
    bound = _amount(drill.asset, row["bound"]) + ("" if drill.formula == "0" else f"\n= {drill.formula}")
    noticed = f"{row['detected_seconds']} s\n{found.detected_by}" if found.detected_seconds is not None else "never"
    return [
        f"{drill.number} {drill.name}",
        drill.owned,
        drill.tried,
        _amount(drill.asset, row["take"]),
        f"{row['share']:.2%}",
        bound,
        _amount(drill.asset, row["client_shortfall"]),
        noticed,
        _amount(drill.asset, row["conventional_take"]),
        "[green]passed[/green]" if row["passed"] else "[red]FAILED[/red]",
    ]


def _amount(asset: Asset, units: str) -> str:
    return "0" if units == "0" else str(Amount(asset, int(units)))


def _results(file: Path = RESULTS) -> list[dict[str, Any]]:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []


def _markdown(rows: Sequence[dict[str, Any]]) -> str:
    drills = {drill.number: drill for drill in DRILLS}
    lines = [
        "| | owned | tried | take | bound | share of custody | clients short | noticed after | conventional |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        asset = drills[row["id"]].asset
        take, bound, short, other = (
            _amount(asset, row[name]) for name in ("take", "bound", "client_shortfall", "conventional_take")
        )
        noticed = "never" if row["detected_seconds"] is None else f"{row['detected_seconds']} s"
        name = row["name"] if row["passed"] else f"{row['name']} (**failed**)"
        cells = (
            f"{row['id']} {name}",
            row["owned"],
            drills[row["id"]].tried,
            take,
            bound,
            f"{row['share']:.2%}",
            short,
            noticed,
            other,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
