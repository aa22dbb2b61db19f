"""Plants named faults one at a time in a copy of this checkout, and sees each caught by the tests named beside it.

The faults stand in ``tools/mutants/*.toml``, each with a file, a text that must stand in it exactly once, the text put
in its place, and the tests that have to fail. Caught means: those tests pass without the fault and one fails with it.
Tests that cannot be collected, or whose fixtures break, catch nothing.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from typing import Final

from faults import Mutant, Result, StaleError, Verdict, check_fresh, choose, read_mutants
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from workshop import catch_all

WIDTH_WITHOUT_TERMINAL: Final = 150


def main(argv: Sequence[str] | None = None) -> int:
    """Plant the faults that were asked for; 0 all caught, 1 some not, 2 the tables do not fit the code."""
    arguments = _parser().parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL)
    try:
        mutants = choose(read_mutants(), arguments.k, arguments.slice, arguments.turn)
        if arguments.list:
            _print(console, *(f"{mutant.name}: {mutant.file}" for mutant in mutants))
            return 0
        wrong = check_fresh(mutants)
        if not wrong:
            return report(console, _plant(console, mutants, arguments.jobs))
    except StaleError as error:
        wrong = [str(error)]
    _print(console, *(f"stale: {line}" for line in wrong))
    return 2


def _plant(console: Console, mutants: Sequence[Mutant], jobs: int) -> list[Result]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("their tests without any fault", total=len(mutants))

        def tell(result: Result) -> None:
            progress.update(task, advance=1, description=escape(f"{result.verdict}: {result.mutant.name}"[:60]))
            if not console.is_terminal:
                words = f"{result.verdict}: {result.mutant.name} ({result.seconds:.1f} s): {result.noticed}"
                _print(console, words[:WIDTH_WITHOUT_TERMINAL])

        if not console.is_terminal:
            _print(console, f"{len(mutants)} faults; first their tests without any")
        return catch_all(mutants, jobs, tell) if mutants else []


def report(console: Console, results: Sequence[Result]) -> int:
    """Print what came of it; 0 only if every fault was caught, and there was one."""
    table = Table(title="Planted faults")
    for column in ("fault", "in", "verdict", "noticed by", "s"):
        table.add_column(column, no_wrap=column in {"verdict", "s"}, overflow="fold")
    for result in results:
        colour = "green" if result.verdict is Verdict.CAUGHT else "bold red"
        place = result.mutant.file.rpartition("/strongroom")[2].lstrip("_/")
        words = (
            result.mutant.name,
            place,
            f"[{colour}]{result.verdict}[/]",
            escape(result.noticed[: console.width // 3]),
        )
        table.add_row(*words, f"{result.seconds:.1f}")
    console.print(table)
    missed = [result for result in results if result.verdict is not Verdict.CAUGHT]
    for result in missed:
        console.rule(escape(f"{result.verdict}: {result.mutant.name}"))
        _print(console, "tests: " + " ".join(result.mutant.tests), result.output)
    _print(console, f"{len(results) - len(missed)} of {len(results)} planted faults were caught")
    return 1 if missed or not results else 0


def _print(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make mutants ARGS='…'", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-k", default="", metavar="TEXT", help="only faults whose name or file holds this text")
    parser.add_argument("--slice", type=int, metavar="N", help="only N of them: others tomorrow, all in turn")
    today = dt.datetime.now(dt.UTC).date().toordinal()
    parser.add_argument("--turn", type=int, default=today, help="which slice, instead of today's")
    parser.add_argument("--jobs", type=int, default=1, help="how many at once, each in a copy of its own")
    parser.add_argument("--list", action="store_true", help="name the faults and plant none")
    return parser


if __name__ == "__main__":
    sys.exit(main())
