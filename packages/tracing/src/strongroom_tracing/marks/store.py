"""A case's file: one mark a line, only ever appended to, on the disk before anybody is told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from strongroom_tracing.files import sync_folder, take_lock
from strongroom_tracing.marks.errors import BadMarkError, CaseBusyError, CaseDamagedError
from strongroom_tracing.marks.model import CaseMark
from strongroom_tracing.provenance import canonical_json

MARKS_FILE: Final = "marks.jsonl"
_LOCK_FILE: Final = ".lock"


def read_lines(path: Path) -> list[Any]:
    """Read a file of JSON lines; a last line without its end was never promised to anybody and does not count.

    Raises ``CaseDamagedError``.
    """
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    found = []
    for number, line in enumerate(whole.split(b"\n") if whole else [], 1):
        try:
            found.append(json.loads(line))
        except ValueError:
            message = f"{path}, line {number} is no JSON; restore the file from a copy: marks are never edited"
            raise CaseDamagedError(message) from None
    return found


def append_lines(path: Path, values: Sequence[Any]) -> None:
    """Add lines and see them on the disk; what a crash left half written is cut off first.

    Raises ``BadMarkError`` for text that cannot be written, before anything is.
    """
    try:
        data = b"".join(canonical_json(value) + b"\n" for value in values)
    except UnicodeEncodeError as error:
        message = f"text that is no Unicode cannot be kept: {error.object[error.start : error.end]!a}"
        raise BadMarkError(message) from None
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _cut_half_line(descriptor)
        os.lseek(descriptor, 0, os.SEEK_END)
        _write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file by another, which is on the disk whole before it takes the place."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        _write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(fresh, path)  # noqa: PTH105 -- the plain call
    sync_folder(path.parent)


def read_marks(folder: Path) -> tuple[CaseMark, ...]:
    """Read a case's marks in the order of report. Raises ``CaseDamagedError``."""
    path = folder / MARKS_FILE
    if not path.exists():
        return ()
    found = []
    for number, data in enumerate(read_lines(path), 1):
        try:
            found.append(CaseMark.from_json(data))
        except BadMarkError as error:
            message = f"{path}, line {number}: {error.message}; restore the file from a copy: marks are never edited"
            raise CaseDamagedError(message) from None
    return tuple(found)


def append_mark(folder: Path, mark: CaseMark) -> None:
    """Add a mark; hold ``locked`` meanwhile."""
    append_lines(folder / MARKS_FILE, [mark.as_json()])


@contextmanager
def locked(folder: Path, name: str = _LOCK_FILE) -> Iterator[None]:
    """Let nobody else write to the case meanwhile. Raises ``CaseBusyError``."""
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not take_lock(descriptor):
            message = f"another process works on the case in {folder}; let it end first"
            raise CaseBusyError(message)
        yield
    finally:
        os.close(descriptor)


def _cut_half_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.ftruncate(descriptor, os.pread(descriptor, size, 0).rfind(b"\n") + 1)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
