"""Files that are changed durably, and by one process at a time."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import IO, Any, Final

_PAUSE_S: Final = 0.02


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file in one step and durably: afterwards it is the old one or the new one, whatever happens."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def take_lock(file: IO[Any] | int, *, shared: bool = False, patience_s: float = 0.0) -> bool:
    """Lock an open file until it is closed; false where others keep it for longer than patience lasts, in seconds."""
    end = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_PAUSE_S)
        else:
            return True
