"""Where machine code is kept, and when it is removed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strongroom_tracing import compiled

DAY_S = 24 * 3600
OTHERS = ("compiled-00112233445566aa", "compiled-ffeeddccbbaa9988", "compiled-00112233445566aa.gone-77")
# A function of the package, compiled while the folder may be gone.
USE = """
import shutil, sys
import numpy as np
from strongroom_tracing import compiled
from strongroom_tracing.index.hashing import sha256
if "remove" in sys.argv:
    shutil.rmtree(compiled._FOLDER)
out = np.zeros(192, np.uint8)
sha256(np.zeros(192, np.uint8), np.int64(3), out)
print(out[:4].tobytes().hex(), compiled._FOLDER)
"""


def age(folder: Path, days: float) -> None:
    then = time.time() - days * DAY_S
    os.utime(folder, (then, then))


def used(cache: Path, *words: str) -> tuple[str, str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", USE, *words], env=environment, capture_output=True, text=True, timeout=280, check=True
    )
    assert done.stderr == ""
    said, folder = done.stdout.split()
    return said, folder


def test_what_no_process_began_with_for_long_is_removed(tmp_path: Path):
    own, *others = (tmp_path / name for name in ("compiled-0123456789abcdef", *OTHERS, "mine", "compiled-mine"))
    for folder in (own, *others):
        (folder / "index").mkdir(parents=True)
        (folder / "index" / "code.nbi").write_bytes(b"code")
        age(folder, 31)
    age(tmp_path / OTHERS[1], 29)
    (tmp_path / "compiled-aaaaaaaaaaaaaaaa").symlink_to(tmp_path / "mine")
    compiled._forget(own)

    left = {path.name for path in tmp_path.iterdir()}
    assert left == {own.name, OTHERS[1], "mine", "compiled-mine", "compiled-aaaaaaaaaaaaaaaa"}
    assert (own / "index" / "code.nbi").exists()


def test_what_cannot_be_removed_stays_and_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    own, old = tmp_path / "compiled-0123456789abcdef", tmp_path / OTHERS[0]
    for folder in (own, old):
        folder.mkdir()
        age(folder, 90)

    def refuse(_self: Path, _to: Path) -> Path:
        raise PermissionError

    monkeypatch.setattr(Path, "rename", refuse)
    compiled._forget(own)
    assert old.exists()


def test_starting_marks_the_folder_as_used_and_removes_old_ones(tmp_path: Path):
    said, folder = used(tmp_path)
    assert said == "709e80c8"  # of three zero bytes
    age(Path(folder), 40)
    (tmp_path / OTHERS[0]).mkdir()
    age(tmp_path / OTHERS[0], 40)
    assert used(tmp_path) == (said, folder)

    assert [path.name for path in tmp_path.iterdir()] == [Path(folder).name]
    assert time.time() - Path(folder).stat().st_mtime < DAY_S


def test_a_process_whose_machine_code_was_removed_goes_on(tmp_path: Path):
    said, folder = used(tmp_path)
    assert used(tmp_path, "remove") == (said, folder)
    assert Path(folder).exists()


def test_where_nothing_can_be_kept_everything_is_compiled_anew():
    assert used(Path("/proc/nothing/can/be/made/here")) == ("709e80c8", "None")
