"""One writer of a clusters' folder at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from strongroom_tracing.clusters.errors import ClustersBusyError
from strongroom_tracing.files import take_lock

LOCK: Final = "writer.lock"
PATIENCE_S = 30.0


@contextlib.contextmanager
def writing(folder: Path, patience_s: float | None = None) -> Iterator[None]:
    """Keep other writers out of a folder, which is made if need be; the lock goes with the process that holds it.

    Waits for another writer as long as patience lasts, then raises ``ClustersBusyError``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    patience = PATIENCE_S if patience_s is None else patience_s
    with (folder / LOCK).open("ab") as file:
        if not take_lock(file, patience_s=patience):
            message = f"Another process makes the clusters in {folder}; wait for it, then ask again."
            raise ClustersBusyError(message)
        yield
