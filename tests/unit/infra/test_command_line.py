"""The command line says what is wrong in one line, with a code."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("words", [["nonsense"], ["reconcile", "--nope"], ["invoice", "show"]])
def test_a_wrong_command_says_so_without_a_traceback(words: list[str]):
    command = [sys.executable, "-m", "strongroom.processes.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
    assert "Traceback" not in done.stderr
