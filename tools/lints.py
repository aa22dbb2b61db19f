"""The rules of the house that no other tool checks, each with its reason and what to do instead.

An exception is written on the line itself, with its reason: `# lint: allow <rule> -- why`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHECKOUT = Path(__file__).resolve().parent.parent
LINES_MAX = 500  # beyond this a file holds two things
LONG_BY_NATURE = (".txt", ".md", ".json", ".lock", ".svg", ".csv", ".hex")
MONEY = re.compile(
    r"packages/(core/src|signer/src|platform/src/strongroom/"
    r"(ledger|wallets|deposits|invoices|payouts|treasury|outbound|rates|conversions|reconciliation))/"
)
PLATFORM = "packages/platform/src/strongroom/"
SQL = re.compile(
    r"^\s*(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|WITH\s+\w+\s+AS\s*\()", re.DOTALL
)
# Spelt in parts, so that this file passes its own rule.
HOSTS = re.compile(
    "|".join(
        re.escape(".".join(parts))
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("npmjs", "org"),
            ("npmjs", "com"),
            ("deb", "debian", "org"),
            ("security", "debian", "org"),
            ("crates", "io"),
            ("proxy", "golang", "org"),
        )
    )
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule at one place."""

    path: str
    line: int
    rule: str
    advice: str

    def __str__(self) -> str:
        """Show it as other linters do, so that editors can jump to it."""
        return f"{self.path}:{self.line}: {self.rule}: {self.advice}"


def main() -> int:
    """Check every committed (or committable) file; 0 when all is well."""
    findings = [finding for path in tracked_files(CHECKOUT) for finding in check_file(CHECKOUT, path)]
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    sys.stdout.write(f"lints: {len(findings)} found\n")
    return 1 if findings else 0


def tracked_files(root: Path) -> list[str]:
    """List what git has or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return sorted(name for name in set(listed.split("\0")) if name and (root / name).is_file())


def check_file(root: Path, path: str) -> Iterator[Finding]:
    """Yield what is wrong with one file, without what its lines allow."""
    try:
        text = (root / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    lines = text.splitlines()
    found = [*check_text(path, lines), *(check_python(path, ast.parse(text)) if path.endswith(".py") else ())]
    for finding in found:
        line = lines[finding.line - 1] if lines else ""
        if not re.search(rf"lint: allow {finding.rule} -- \S", line):
            yield finding


def check_text(path: str, lines: list[str]) -> Iterator[Finding]:
    """Rules for files of any kind."""
    if len(lines) > LINES_MAX and not path.endswith(LONG_BY_NATURE):
        yield Finding(
            path, LINES_MAX, "file-length", f"{len(lines)} lines; {LINES_MAX} are enough, split it by subject"
        )
    for number, line in enumerate(lines, 1):
        if HOSTS.search(line):
            yield Finding(path, number, "registry-host", "name no registry; the machine's own configuration does")


def check_python(path: str, tree: ast.Module) -> Iterator[Finding]:
    """Rules for Python files."""
    if path.startswith("packages/"):
        if path.endswith("__init__.py"):
            yield from check_init(path, tree)
        elif not (CHECKOUT / path).with_name("__init__.py").exists():
            advice = "its folder has no __init__.py, so that the import contracts do not see it"
            yield Finding(path, 1, "no-package", advice)
    if MONEY.search(path):
        yield from check_floats(path, ast.walk(tree))
    if path.startswith(PLATFORM) and not path.startswith(f"{PLATFORM}infra/") and not path.endswith("/store.py"):
        yield from check_sql(path, tree)


def check_init(path: str, tree: ast.Module) -> Iterator[Finding]:
    """A re-export defeats the import contracts silently."""
    advice = "an __init__.py holds a docstring only; import from the module that defines the name"
    if ast.get_docstring(tree) is None or len(tree.body) != 1:
        yield Finding(path, 1, "init-docstring-only", advice)


def check_floats(path: str, nodes: Iterable[ast.AST]) -> Iterator[Finding]:
    """Money is an integer of base units; only durations may be float, and say so by their names."""
    for node in nodes:
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
        if called or _is_float_annotation(node):
            advice = "no float near money: integers of base units, or Fraction (durations: name them …_seconds)"
            yield Finding(path, getattr(node, "lineno", 1), "float", advice)


def _is_float_annotation(node: ast.AST) -> bool:
    if isinstance(node, ast.AnnAssign):
        name = ast.unparse(node.target)
    elif isinstance(node, ast.arg):
        name = node.arg
    else:
        return False
    mentioned = node.annotation is not None and re.search(r"\bfloat\b", ast.unparse(node.annotation))
    return bool(mentioned) and not name.lower().endswith("_seconds")


def check_sql(path: str, tree: ast.Module) -> Iterator[Finding]:
    """A reviewer reads all of a room's SQL in one file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
            yield Finding(path, node.lineno, "sql-in-store", "SQL lives in the room's queries.sql, run by its store.py")


if __name__ == "__main__":
    sys.exit(main())
