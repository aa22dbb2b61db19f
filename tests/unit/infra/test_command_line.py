"""The command line says what is wrong in one line, with a code."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.infra.settings import SettingsError
from strongroom.processes.cli import app
from strongroom_client.keys import is_encrypted, load_key, read_public_key
from tests.fixtures.forked import STRONGROOM, command

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")}
MERCHANT = f"mer_{26 * '0'}"
OF_AN_INSTALLATION = [
    ["status"],
    ["reconcile"],
    ["halt", "why"],
    ["resume", "why"],
    ["merchant", "create", "Shop"],
    ["merchant", "list"],
    ["merchant", "token", MERCHANT, "--file", "token"],
    ["merchant", "tokens", MERCHANT],
    ["merchant", "revoke", MERCHANT, f"tok_{26 * '0'}"],
    ["invoice", "create", MERCHANT, "1", "EUR"],
    ["invoice", "list", MERCHANT],
    ["invoice", "show", MERCHANT, f"inv_{26 * '0'}"],
    ["payout", "list", MERCHANT],
    ["payout", "show", MERCHANT, f"pay_{26 * '0'}"],
]


def test_without_a_word_all_commands_are_listed_and_nothing_is_wrong():
    words = [sys.executable, "-m", STRONGROOM]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT)
    assert done.stderr == ""
    assert all(name in done.stdout for name in ("up", "demo", "reconcile", "halt", "doctor"))


@pytest.mark.parametrize("words", [["nonsense"], ["reconcile", "--nope"], ["invoice", "show"]])
def test_a_wrong_command_says_so_without_a_traceback(words: list[str]):
    done = command(STRONGROOM, *words)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
    assert "Traceback" not in done.stderr


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path):
    done = command(STRONGROOM, "demo", "--json", "--dir", "/proc/nowhere/demo", cwd=tmp_path)
    assert done.returncode == 1
    assert re.match(r"file-unusable: .*/proc/nowhere", done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", OF_AN_INSTALLATION, ids=lambda words: " ".join(words[:2]))
def test_a_folder_that_was_named_is_never_exchanged_for_another_installation(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Settings lie where a command without a folder finds them; they are of somebody else."""
    (tmp_path / "strongroom.toml").write_text('deployment = "another"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STRONGROOM_CONFIG", raising=False)
    with pytest.raises(SettingsError, match=f"no settings at {tmp_path}/mine/strongroom.toml"):
        app([*words, "--dir", str(tmp_path / "mine")], standalone_mode=False)


def test_a_merchants_key_is_made_encrypted_and_only_its_public_half_is_shown(tmp_path: Path):
    file = tmp_path / "merchant.key"
    made = command(STRONGROOM, "keys", "new", str(file), passphrase=b"correct horse")
    assert made.returncode == 0, made.stderr
    key = load_key(file, b"correct horse")
    assert bytes.fromhex(made.stdout.strip()) == key.public_key == read_public_key(file)
    assert is_encrypted(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key.seed().hex() not in made.stdout + made.stderr + file.read_text()
    again = command(STRONGROOM, "keys", "new", str(file), passphrase=b"correct horse")
    assert (again.returncode, "key-file-exists" in again.stderr) == (1, True)
