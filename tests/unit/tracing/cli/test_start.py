"""A key press ends the program with 130 and one line, whatever it is doing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom_tracing.cli import start

SAID = "stopped; the same command goes on from here\n"
# Presses the key at the very moment when a module is looked for, or a function of some name is entered.
PRESSING = """
import os, signal, sys
kind, name = sys.argv[1:3]
del sys.argv[1:3]

def press():
    os.kill(os.getpid(), signal.SIGINT)

class Finder:
    def find_spec(self, wanted, path, target=None):
        if kind == "import" and wanted == name:
            press()

def watch(frame, event, what):
    if event == "call" and frame.f_code.co_name == name:
        sys.setprofile(None)
        press()

sys.meta_path.insert(0, Finder())
if kind == "call":
    sys.setprofile(watch)
from strongroom_tracing.cli import start
start.main()
"""


def pressed(tmp_path: Path, kind: str, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}  # nothing is compiled yet
    return subprocess.run(
        [sys.executable, "-c", PRESSING, kind, name, *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def index_words(shared_data: Path, tmp_path: Path) -> tuple[str, ...]:
    blocks = tmp_path / "blocks"
    blocks.mkdir()
    (blocks / "blk00000.dat").symlink_to(shared_data / "btc_blocks" / "blocksci_regtest_btc.blk00000.dat")
    return ("index", "--blocks", str(blocks), "-i", str(tmp_path / "index"))


@pytest.mark.parametrize("module", ["strongroom_tracing.cli.app", "numba", "pyarrow.lib", "numpy", "rich.progress"])
def test_while_it_is_loaded(tmp_path: Path, module: str):
    done = pressed(tmp_path, "import", module, "status")
    assert (done.returncode, done.stderr, done.stdout) == (130, SAID, "")


@pytest.mark.parametrize("function", ["_object_compiled_hook", "run_pass", "get_call_type"])
def test_while_it_compiles(tmp_path: Path, shared_data: Path, function: str):
    done = pressed(tmp_path, "call", function, *index_words(shared_data, tmp_path))
    assert (done.returncode, done.stderr, done.stdout) == (130, SAID, "")


def test_while_it_works(tmp_path: Path, shared_data: Path):
    done = pressed(tmp_path, "call", "magic_of", *index_words(shared_data, tmp_path))
    assert (done.returncode, done.stderr, done.stdout) == (130, SAID, "")


def test_who_ignores_the_key_goes_on_ignoring_it(tmp_path: Path):
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    done = subprocess.run(
        [sys.executable, "-c", ignoring + PRESSING, "import", "numba", "--help"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage" in done.stdout


def test_the_second_press_does_not_wait(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", leave)
    key = start._Key(at_once=False)
    with pytest.raises(KeyboardInterrupt):
        key.pressed(signal.SIGINT, None)
    with pytest.raises(SystemExit) as caught:
        key.pressed(signal.SIGINT, None)
    assert caught.value.code == 130
    assert capfd.readouterr().err == SAID


def test_the_program_begins_here():
    text = (Path(start.__file__).parents[3] / "pyproject.toml").read_text()
    assert 'strongroom-trace = "strongroom_tracing.cli.start:main"' in text
