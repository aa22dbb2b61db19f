"""Who may touch an index's folder: one builder at a time, and readers while nothing that they see changes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from strongroom_tracing.files import take_lock
from strongroom_tracing.index.errors import IndexBusyError

BUILDER: Final = "builder.lock"
READERS: Final = "readers.lock"
PATIENCE_S = 30.0


def lock(folder: Path, name: str, *, shared: bool = False, patience_s: float | None = None) -> IO[bytes]:
    """Take a lock until the file returned is closed. Raises ``IndexBusyError`` if others keep it for too long."""
    file = (folder / name).open("ab")
    if take_lock(file, shared=shared, patience_s=PATIENCE_S if patience_s is None else patience_s):
        return file
    file.close()
    raise IndexBusyError(_reason(folder, name))


@contextlib.contextmanager
def locked(folder: Path, name: str, *, patience_s: float | None = None) -> Iterator[None]:
    """Hold a lock alone for a while. Raises ``IndexBusyError``."""
    with lock(folder, name, patience_s=patience_s):
        yield


def _reason(folder: Path, name: str) -> str:
    if name == BUILDER:
        return f"another process builds the index in {folder}; wait for it"
    return f"the index in {folder} is being read or changed by another process; close it there and try again"
