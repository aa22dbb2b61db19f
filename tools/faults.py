"""The tables of planted faults in ``tools/mutants/*.toml``, and whether each still fits the code."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

CHECKOUT: Final = Path(__file__).resolve().parent.parent
TABLES: Final = Path(__file__).resolve().parent / "mutants"
_FIELDS: Final = {"name", "file", "old", "new", "tests"}


class StaleError(ValueError):
    """A fault that no longer fits the code, or a table that cannot be read; says which and why."""


class Verdict(StrEnum):
    """What the tests said about a planted fault."""

    CAUGHT = "caught"
    SURVIVED = "SURVIVED"
    UNSOUND = "UNSOUND"  # the tests do not pass without the fault, or did not come to run: they prove nothing
    TIMEOUT = "TIMEOUT"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One named fault: ``old`` in ``file`` becomes ``new``, and ``tests`` (pytest's node ids) must notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    quick: bool = False

    def planted(self, text: str) -> str:
        """Give the file's text with the fault in it.

        Raises ``StaleError`` unless ``old`` stands in it exactly once and the outcome still reads as Python: a fault
        that keeps every program from starting is none that a test has to find.
        """
        found = text.count(self.old)
        if found != 1 or self.old == self.new:
            message = f"{self.name}: the text to replace stands {found} times in {self.file}, not once: {self.old!r}"
            raise StaleError(message)
        changed = text.replace(self.old, self.new)
        if self.file.endswith(".py"):
            self._check_syntax(changed)
        return changed

    def _check_syntax(self, text: str) -> None:
        try:
            ast.parse(text)
        except SyntaxError as error:
            message = f"{self.name}: {self.file} with the fault in it is no Python ({error})"
            raise StaleError(message) from None


@dataclass(frozen=True, slots=True)
class Result:
    """How one fault fared, in seconds; ``noticed`` is what the failing test said, ``output`` its end."""

    mutant: Mutant
    verdict: Verdict
    seconds: float
    noticed: str = ""
    output: str = ""


def read_mutants(folder: Path = TABLES) -> list[Mutant]:
    """Read all faults, in the order of the files and in them. Raises ``StaleError``."""
    found = [_read(entry, path) for path in sorted(folder.glob("*.toml")) for entry in _entries(path)]
    names = [mutant.name for mutant in found]
    if len(set(names)) != len(names):
        message = f"two faults have one name: {sorted({name for name in names if names.count(name) > 1})}"
        raise StaleError(message)
    return found


def _entries(path: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    return entries


def _read(entry: dict[str, Any], path: Path) -> Mutant:
    if not _FIELDS <= entry.keys() <= _FIELDS | {"quick"} or not entry["tests"]:
        message = f"{path.name}: a fault has name, file, old, new, tests (not empty), and quick if it is: {entry}"
        raise StaleError(message)
    return Mutant(**(entry | {"tests": tuple(entry["tests"])}))


def check_fresh(mutants: Iterable[Mutant], root: Path = CHECKOUT) -> list[str]:
    """Say of every fault that no longer fits the code, or names a test that is not there, what is wrong."""
    wrong = []
    for mutant in mutants:
        try:
            mutant.planted((root / mutant.file).read_text(encoding="utf-8"))
        except (StaleError, OSError) as error:
            wrong.append(str(error))
        wrong += [f"{mutant.name}: there is no test {test}" for test in mutant.tests if not _exists(test, root)]
    return wrong


def _exists(test: str, root: Path) -> bool:
    path, _, name = test.partition("::")
    name = name.partition("[")[0]
    file = root / path
    return file.exists() and (not name or f"def {name}(" in file.read_text(encoding="utf-8"))


def choose(mutants: Sequence[Mutant], pattern: str, size: int | None, turn: int) -> list[Mutant]:
    """Choose the faults whose name or file holds ``pattern``; of these ``size``, other ones at every ``turn``."""
    chosen = [item for item in mutants if pattern.lower() in f"{item.name} {item.file}".lower()]
    if size is None or size >= len(chosen):
        return chosen
    start = turn * size % len(chosen)
    return [*chosen, *chosen][start : start + size]
