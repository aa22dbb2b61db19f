"""The node is taken out of the pinned tarball and of no other, and nothing but the one program leaves it."""

import base64
import hashlib
import io
import os
import tarfile
from pathlib import Path

import fetch_anvil
import pytest
from private_apt import FetchError


def tarball(path: Path, members: dict[str, bytes]) -> Path:
    """Write an npm tarball."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_a_tarball_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    archive = tarball(tmp_path / "anvil.tgz", {fetch_anvil.MEMBER: b"#!/bin/sh\n"})
    integrity = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode("ascii")
    fetch_anvil.verify(archive, integrity)
    archive.write_bytes(archive.read_bytes() + b"\0")
    with pytest.raises(FetchError, match="not the pinned one"):
        fetch_anvil.verify(archive, integrity)


def test_only_the_program_leaves_the_tarball(tmp_path: Path) -> None:
    members = {"../outside": b"x", "package/package.json": b"{}", fetch_anvil.MEMBER: b"#!/bin/sh\n"}
    unpacked = fetch_anvil.unpack(tarball(tmp_path / "anvil.tgz", members), tmp_path / "unpacked")
    assert [path.name for path in unpacked.iterdir()] == ["anvil"]
    assert os.access(unpacked / "anvil", os.X_OK)
    assert not (tmp_path / "outside").exists()


def test_a_folder_in_the_programs_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "anvil.tgz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(fetch_anvil.MEMBER)
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    with pytest.raises(FetchError, match="no plain file"):
        fetch_anvil.unpack(path, tmp_path / "unpacked")


def test_a_machine_without_a_pinned_package_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(FetchError, match="riscv64"):
        fetch_anvil.package_of_this_machine()


def test_a_machine_without_npm_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fetch_anvil.machine_npm() is None
    for name in ("npm", "node"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    assert fetch_anvil.machine_npm() is None
