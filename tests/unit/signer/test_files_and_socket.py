"""What a signer leaves on its host: on the disk before it is believed, and closed to everybody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from strongroom_signer.files import write_private
from strongroom_signer.server import unix_listener


@pytest.mark.parametrize("replace", [True, False])
def test_a_file_and_its_name_are_on_the_disk_when_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: bool
):
    path = tmp_path / "key.json"
    synced: list[tuple[int, bool]] = []

    def record(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, path.exists()))

    monkeypatch.setattr(os, "fsync", record)
    write_private(path, b"secret", replace=replace)
    assert synced == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)], "content first, then the name"


@pytest.mark.parametrize("mode", [0o600, 0o660])
def test_a_socket_has_the_mode_that_was_asked_for_whatever_the_mask(tmp_path: Path, mode: int):
    mask = os.umask(0)
    try:
        listener = unix_listener(tmp_path / "s", mode)
    finally:
        os.umask(mask)
    found = stat.S_IMODE((tmp_path / "s").stat().st_mode)
    listener.close()
    assert found == mode


def test_a_socket_is_its_owners_unless_told_otherwise(tmp_path: Path):
    unix_listener(tmp_path / "s").close()
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
