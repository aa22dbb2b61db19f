"""The walls hold: each planted violation is reported by lint-imports, under the contract that forbids it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fixtures.scratch import locked

CHECKOUT = Path(__file__).resolve().parents[3]
SOURCE = {
    "strongroom_core": "core",
    "strongroom_client": "client",
    "strongroom_signer": "signer",
    "strongroom": "platform",
    "strongroom_tracing": "tracing",
}
COPIES = 2  # how many planted trees are checked at once


@dataclass(frozen=True)
class Plant:
    """A file to append to (made where absent), the forbidden line, and the contract that must break."""

    file: str
    line: str
    contract: str


PLANTS = (
    Plant("strongroom_core/planted.py", "import httpx", "Core imports the standard library only"),
    Plant("strongroom_core/planted.py", "import strongroom_signer", "Core imports the standard library only"),
    Plant("strongroom_client/planted.py", "import msgspec", "A merchant's client imports core and HTTP only"),
    Plant("strongroom_signer/planted.py", "import litestar", "The signer imports nearly nothing"),
    Plant("strongroom_signer/planted.py", "import psycopg", "The signer imports nearly nothing"),
    Plant("strongroom_signer/planted.py", "import strongroom.infra.clock", "Signer, platform and tracing never"),
    Plant("strongroom/outbound/planted.py", "import strongroom_signer", "Signer, platform and tracing never"),
    Plant("strongroom_tracing/planted.py", "import strongroom.ledger", "Tracing knows neither books"),
    Plant("strongroom_tracing/planted.py", "import strongroom.wallets", "Tracing knows neither books"),
    Plant("strongroom/ledger/planted.py", "import strongroom.treasury", "The platform's rooms, from the street"),
    Plant("strongroom/infra/planted.py", "import strongroom.chains", "The platform's rooms, from the street"),
    Plant("strongroom/invoices/planted.py", "import strongroom.payouts", "The platform's rooms, from the street"),
    Plant("strongroom/wallets/planted.py", "import strongroom.merchants", "The platform's rooms, from the street"),
    Plant("strongroom/newroom/__init__.py", '"""A room without a layer."""', "The platform's rooms, from the street"),
    Plant("strongroom/webhooks/model.py", "import litestar", "Models and rules import no framework"),
    Plant("strongroom/ledger/model.py", "import psycopg", "Models and rules import no framework"),
    Plant("strongroom/ledger/rules.py", "import strongroom.infra.settings", "Models and rules import no framework"),
    Plant("strongroom/ledger/planted.py", "import psycopg_pool", "Only stores and infra import the database driver"),
    Plant("strongroom/ledger/jobs.py", "from psycopg import sql", "Only stores and infra import the database driver"),
    Plant("strongroom/payouts/planted.py", "import strongroom.webhooks.store", "The platform's rooms, from the street"),
    Plant("strongroom/invoices/planted.py", "import strongroom.ledger.store", "Rooms are entered by model, service"),
    Plant("strongroom/treasury/planted.py", "import strongroom.ledger.jobs", "Rooms are entered by model, service"),
    Plant("strongroom/processes/planted.py", "import strongroom.ledger.rules", "Rooms are entered by model, service"),
    Plant("strongroom_core/errors.py", "import strongroom_core.amounts", "No import cycle at all"),
)
# What the planted lines import must exist in the copy, whatever the rooms hold today.
NEEDED = (
    "strongroom/webhooks/store.py",
    "strongroom/ledger/store.py",
    "strongroom/ledger/jobs.py",
    "strongroom/ledger/rules.py",
    "strongroom/ledger/model.py",
)


def _copy(target: Path) -> Path:
    for name, folder in SOURCE.items():
        source = CHECKOUT / "packages" / folder / "src" / name
        shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.sql", "static"))
    for file in NEEDED:
        (target / file).touch()
    (target / "tools").mkdir()
    shutil.copy(CHECKOUT / "tools" / "import_contracts.py", target / "tools")
    shutil.copy(CHECKOUT / "pyproject.toml", target)
    return target


# One process per tree: it plants, lints and takes away, one violation after the other.
DRIVER = """
import contextlib, io, json, pathlib, shutil, sys
from importlinter.cli import lint_imports

def lint():
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = lint_imports(no_logo=True)
    return code, output.getvalue()

def plant(file, line):
    path = pathlib.Path(file)
    before = path.read_text() if path.exists() else None
    made = [parent for parent in path.parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{before or ''}\\n{line}\\n")
    result = lint()
    path.unlink() if before is None else path.write_text(before)
    for parent in made:
        shutil.rmtree(parent)
    return result

print(json.dumps([lint(), *(plant(file, line) for file, line in json.load(sys.stdin))]))
"""


def _lint(folder: Path, plants: Sequence[Plant]) -> list[tuple[int, str]]:
    """Lint the tree as it is, then with each violation planted alone: exit codes and outputs."""
    result = subprocess.run(
        [sys.executable, "-c", DRIVER],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        input=json.dumps([(plant.file, plant.line) for plant in plants]),
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert result.returncode == 0, result.stderr
    return [(code, output) for code, output in json.loads(result.stdout)]


def _is_reported(plant: Plant, code: int, output: str) -> bool:
    """Whether the contract is broken, and the offending module is named."""
    path = Path(plant.file)
    module = path.parent.name if path.name == "__init__.py" else path.stem
    broken = any(line.startswith(plant.contract) and line.endswith("BROKEN") for line in output.splitlines())
    return code != 0 and broken and module in output


@pytest.fixture(scope="module")
def results(scratch: Path) -> list[list[tuple[int, str]]]:
    """For each tree: the clean result first, then one per violation of its share; computed once for all workers."""
    kept = scratch / "planted.json"
    with locked(scratch / "planted.lock"):
        if not kept.exists():
            trees = [_copy(scratch / f"planted-{number}") for number in range(COPIES)]
            with ThreadPoolExecutor(COPIES) as pool:
                found = list(pool.map(_lint, trees, [PLANTS[number::COPIES] for number in range(COPIES)]))
            kept.write_text(json.dumps(found), encoding="utf-8")
    return [[(code, output) for code, output in tree] for tree in json.loads(kept.read_text(encoding="utf-8"))]


def test_the_walls_stand_without_planted_violations(results: list[list[tuple[int, str]]]) -> None:
    code, output = results[0][0]
    assert code == 0, output
    assert "10 kept, 0 broken" in output


@pytest.mark.parametrize("number", range(len(PLANTS)), ids=[f"{plant.file}: {plant.line}" for plant in PLANTS])
def test_a_planted_violation_is_reported(results: list[list[tuple[int, str]]], number: int) -> None:
    code, output = results[number % COPIES][1 + number // COPIES]
    assert _is_reported(PLANTS[number], code, output), output


def test_enough_is_planted() -> None:
    assert len(PLANTS) >= 14
    assert len({plant.contract for plant in PLANTS}) == 10
