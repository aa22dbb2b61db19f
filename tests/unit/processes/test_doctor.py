"""`strongroom doctor`: on this machine, and on one where each thing is missing in turn."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from strongroom.infra.components import bitcoind
from strongroom.processes.cli import app
from strongroom.processes.commands import machine
from tests.fixtures.forked import STRONGROOM, command

NEEDED = {
    "Linux",
    "Python 3.11 or newer",
    "a user for PostgreSQL",
    "PostgreSQL",
    "bitcoind",
    "anvil",
    "disk",
    "memory",
    "clock",
    "ports",
}
ADVISED = {"Chromium, for tests", "relayers' gas", "limits of draws"}


@pytest.fixture(autouse=True)
def _enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """However full this machine is, and whatever runs on it, each test takes one thing away from a good one."""
    monkeypatch.setattr(machine, "DISK_MIB", 0)
    monkeypatch.setattr(machine, "MEMORY_MIB", 0)


def asked(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, object]]]:
    code = app(["doctor", "--json"], standalone_mode=False)
    return int(code or 0), {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_a_machine_that_has_it_all_is_well_and_needs_no_advice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRONGROOM_BITCOIND", str(bitcoind.find_bitcoind()))
    code, found = asked(capsys)
    assert found.keys() == NEEDED | ADVISED
    assert {name for name in NEEDED if not found[name]["ok"]} == set()
    assert all(row["found"] and bool(row["advice"]) == (not row["ok"]) for row in found.values())
    assert code == 0


MISSING = [
    ("DISK_MIB", 10**9, "disk", "make room"),
    ("MEMORY_MIB", 10**9, "memory", "free 1000000000 MiB"),
    ("EARLIEST", 2**40, "clock", "set the clock"),
    ("PYTHON", (99, 0), "Python 3.11 or newer", "newer python3"),
    ("LOOPBACK", "192.0.2.1", "ports", "loopback address"),
]


@pytest.mark.parametrize(("name", "value", "what", "advice"), MISSING, ids=[row[2] for row in MISSING])
def test_what_is_missing_is_named_with_what_to_do_and_the_exit_code_tells(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    value: object,
    what: str,
    advice: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, name, value)
    code, found = asked(capsys)
    assert code == 1
    assert {key for key in NEEDED if not found[key]["ok"]} == {what}
    assert advice in str(found[what]["advice"])


@pytest.mark.parametrize("program", ["bitcoind", "anvil"])
def test_a_program_that_is_not_there_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"STRONGROOM_{program.upper()}", str(tmp_path / "none"))
    code, found = asked(capsys)
    assert code == 1
    assert (found[program]["ok"], found[program]["advice"]) == (False, "make up fetches one")
    assert str(tmp_path / "none") in str(found[program]["found"])


def test_a_taken_port_is_said_and_no_harm(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(machine, "API_PORT", taken.getsockname()[1])
        _, found = asked(capsys)
    assert found["ports"]["ok"] is True
    assert "is taken; another is used" in str(found["ports"]["found"])


def test_people_get_a_table(tmp_path: Path) -> None:
    done = command(STRONGROOM, "doctor", cwd=tmp_path)
    assert done.returncode in {0, 1}
    assert "This machine" in done.stdout
    assert all(name in done.stdout for name in NEEDED)
