"""What the manifest counts is on the disk before the manifest says so: a cut of power at any moment loses nothing.

``Disk`` notes what calls have made durable, as POSIX promises it: the bytes of a file by fsync (or msync) of it, a name
by fsync of its folder. Before each new manifest all that it counts is compared with that.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strongroom_tracing.index import layout, parquet
from strongroom_tracing.index.builder import build
from strongroom_tracing.index.layout import FILES, Manifest, column_path, entries, run_path
from tests.unit.tracing.index.making import ChainMaker, ListSource

PARTITION, BATCH = 16, 4_000


class Disk:
    """What would be left of an index after a cut of power."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.data: dict[int, bytes] = {}  # of inodes
        self.names: dict[Path, dict[str, int]] = {}  # of folders
        self.manifests: list[Manifest] = []
        real_sync, real_flush, real_write = os.fsync, np.memmap.flush, layout.write_manifest

        def fsync(handle: int) -> None:
            real_sync(handle)
            self._noted(Path(f"/proc/self/fd/{handle}").readlink())

        def flush(array: Any) -> None:
            real_flush(array)
            if array.filename is not None:
                self._noted(Path(array.filename))

        def write(place: Path, manifest: Manifest) -> None:
            self._check(manifest)
            real_write(place, manifest)
            self.manifests.append(manifest)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(np.memmap, "flush", flush)
        for module in ("layout", "builder", "writing"):
            monkeypatch.setattr(f"strongroom_tracing.index.{module}.write_manifest", write)

    def _noted(self, path: Path) -> None:
        if path.is_dir():
            self.names[path] = {entry.name: entry.stat().st_ino for entry in path.iterdir()}
        else:
            self.data[path.stat().st_ino] = path.read_bytes()

    def left_of(self, path: Path) -> bytes:
        """The bytes of a file that are durable, found by durable names alone."""
        for folder in (path, *path.parents):
            if folder == self.folder.parent:
                break
            names = self.names.get(folder.parent, {})
            assert names.get(folder.name) == folder.stat().st_ino, f"the name of {folder} is not durable"
        return self.data.get(path.stat().st_ino, b"")

    def _check(self, manifest: Manifest) -> None:
        for name, (kind, _, _, _) in FILES.items():
            path = column_path(self.folder, name)
            size = entries(manifest, name) * np.dtype(kind).itemsize
            assert self.left_of(path)[:size] == path.read_bytes()[:size], name
        for run in (*manifest.tx_runs, *manifest.script_runs):
            path = run_path(self.folder, run.number)
            assert self.left_of(path) == path.read_bytes() != b""
        if manifest.parquet_through >= 0:
            for path in (self.folder / parquet.FOLDER).rglob("*.parquet"):
                assert self.left_of(path) == path.read_bytes() != b""


def test_what_a_manifest_counts_is_durable_before(place: Path, monkeypatch: pytest.MonkeyPatch):
    disk = Disk(place / "deep" / "index", monkeypatch)
    (place / "deep").mkdir()
    old = ChainMaker(3).extend(40)
    new = old.fork(22, seed=4).extend(30)
    for maker in (old, new):
        build(disk.folder, ListSource(maker), batch_bytes=BATCH, partition=PARTITION)

    blocks = [manifest.counts.blocks for manifest in disk.manifests]
    assert blocks[0] == 0  # the empty one
    assert 23 in blocks  # the fork
    assert blocks[-1] == 53
    assert disk.manifests[-1].parquet_through == 52
    assert len(disk.manifests) > 15
