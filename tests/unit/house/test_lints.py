"""The house's own lints find what they are for, and let the rest pass."""

from pathlib import Path

import lints
import pytest

LEDGER = "packages/platform/src/strongroom/ledger"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return tmp_path


def _rules(root: Path, path: str, text: str) -> list[str]:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return [finding.rule for finding in lints.check_file(root, path) if finding.rule != "no-package"]


@pytest.mark.parametrize(
    ("path", "text", "rule"),
    [
        (f"{LEDGER}/__init__.py", '"""Room."""\nfrom strongroom.ledger.model import Account\n', "init-docstring-only"),
        (f"{LEDGER}/__init__.py", "", "init-docstring-only"),
        (f"{LEDGER}/rules.py", "amount = float('0.1')\n", "float"),
        (f"{LEDGER}/rules.py", "def fee(amount: float) -> int: ...\n", "float"),
        (f"{LEDGER}/model.py", "class A:\n    price: float | None = None\n", "float"),
        (f"{LEDGER}/service.py", "Q = 'SELECT a FROM b'\n", "sql-in-store"),
        (f"{LEDGER}/service.py", "Q = '''\n  insert into b values (1)'''\n".upper(), "sql-in-store"),
        ("requirements/x.txt", "--index-url https://" + "pypi" + ".org/simple\n", "registry-host"),
        ("tools/long.py", "x = 1\n" * 501, "file-length"),
    ],
)
def test_a_broken_rule_is_found(tree: Path, path: str, text: str, rule: str) -> None:
    assert _rules(tree, path, text) == [rule]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (f"{LEDGER}/__init__.py", '"""Room."""\n'),
        (f"{LEDGER}/rules.py", "def wait(timeout_seconds: float) -> None: ...\n"),
        (f"{LEDGER}/store.py", "Q = 'SELECT a FROM b'\n"),
        (f"{LEDGER}/service.py", "ADVICE = 'Select a wallet from the list'\n"),
        (f"{LEDGER}/rules.py", "x = float('1')  # lint: allow float -- an exchange's own text, checked below\n"),
        ("packages/platform/src/strongroom/infra/loops.py", "delay = float('1')\n"),
        ("docs/long.md", "word\n" * 501),
    ],
)
def test_what_is_fine_passes(tree: Path, path: str, text: str) -> None:
    assert _rules(tree, path, text) == []


def test_an_exception_without_a_reason_does_not_count(tree: Path) -> None:
    assert _rules(tree, f"{LEDGER}/rules.py", "x = float('1')  # lint: allow float\n") == ["float"]


def test_a_folder_without_init_is_found(tree: Path) -> None:
    file = tree / "packages/platform/src/strongroom/hidden/x.py"
    file.parent.mkdir(parents=True)
    file.write_text("", encoding="utf-8")
    found = lints.check_file(tree, "packages/platform/src/strongroom/hidden/x.py")
    assert [finding.rule for finding in found] == ["no-package"]
