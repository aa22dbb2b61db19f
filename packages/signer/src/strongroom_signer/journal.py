"""The journal: an append-only, hash-chained SQLite file; the only memory that a signer trusts.

WAL with ``synchronous=FULL``: when ``append`` returns, the row is on the disk. One writer, by an advisory lock that the
kernel frees when the process dies. Row ``n``: hash = SHA-256(previous hash ‖ n as 8 bytes ‖ body); row 1 follows 32
zero bytes; ``body`` is canonical JSON. Format and row kinds: ``docs/signer.md``.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from strongroom_core.messages import JournalRow
from strongroom_core.refusals import RefusalTag
from strongroom_signer.errors import BusyError, JournalBrokenError, RefusedError
from strongroom_signer.files import PRIVATE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

GENESIS_PREVIOUS: Final = bytes(32)
NUMBER_BYTES: Final = 8
# What one message carries; one more row than this always fits into its frame.
MAX_ROWS: Final = 1_000
MAX_ROWS_BYTES: Final = 2 * 1024 * 1024
# Those and one row more, in hex, fit into a frame of 16 MiB.
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS rows (
    number   INTEGER PRIMARY KEY,
    previous BLOB NOT NULL CHECK (length(previous) = 32),
    body     BLOB NOT NULL,
    hash     BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TRIGGER IF NOT EXISTS rows_follow BEFORE INSERT ON rows
WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM rows)
  OR NEW.previous <> coalesce((SELECT hash FROM rows ORDER BY number DESC LIMIT 1), zeroblob(32))
BEGIN SELECT raise(ABORT, 'a journal row follows the last one'); END;
CREATE TRIGGER IF NOT EXISTS rows_stay BEFORE UPDATE ON rows
BEGIN SELECT raise(ABORT, 'a journal row never changes'); END;
CREATE TRIGGER IF NOT EXISTS rows_remain BEFORE DELETE ON rows
BEGIN SELECT raise(ABORT, 'a journal row never goes'); END;
"""


def row_hash(previous: bytes, number: int, body: bytes) -> bytes:
    """Give a row's hash: SHA-256(previous ‖ number, 8 bytes big-endian ‖ body)."""
    return hashlib.sha256(previous + number.to_bytes(NUMBER_BYTES, "big") + body).digest()


def encode_body(body: dict[str, Any]) -> bytes:
    """Write canonical JSON: sorted keys, no blanks, ASCII."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


class Journal:
    """An open journal. A reader sees it as it is; a writer holds the lock until ``close``."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: int | None) -> None:
        """Use ``open_writer`` or ``open_reader``."""
        self.path = path
        self._connection = connection
        self._lock = lock
        #: The last row, or nothing; one attribute, so that another thread never sees half of a step.
        self.last = self._tail()

    def _tail(self) -> JournalRow | None:
        query = "SELECT number, previous, body, hash FROM rows ORDER BY number DESC LIMIT 1"
        row = self._connection.execute(query).fetchone()
        return JournalRow(*row) if row else None

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.last.number if self.last is not None else 0

    @property
    def head(self) -> bytes:
        """The hash of the last row, or 32 zero bytes."""
        return self.last.hash if self.last is not None else GENESIS_PREVIOUS

    def append(self, body: dict[str, Any]) -> int:
        """Write one row and give its number; it is synced to the disk when this returns.

        Raises ``RefusedError`` (request-malformed), with nothing written, where the peer could not be brought the row.
        """
        data, number, previous = encode_body(body), self.count + 1, self.head
        if len(data) > MAX_BODY_BYTES:
            reason = f"a journal row of {len(data)} bytes, and one has room for {MAX_BODY_BYTES}: ask for less at once"
            raise RefusedError(RefusalTag.REQUEST_MALFORMED, reason)
        row = JournalRow(number, previous, data, row_hash(previous, number, data))
        self._insert(row)
        self.last = row
        return number

    def restore(self, rows: Sequence[JournalRow]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Write rows that another host kept for us, all or none, and give their bodies.

        Who calls has verified that we signed the last of them. Raises ``JournalBrokenError`` where they do not follow.
        """
        previous, number, bodies = self.head, self.count, []
        for row in rows:
            number += 1
            check_row(row, number, previous)
            previous = row.hash
            bodies.append((number, read_body(row)))
        with self._connection:
            self._connection.execute("BEGIN")
            for row in rows:
                self._insert(row)
        if rows:
            self.last = rows[-1]
        return iter(bodies)

    def _insert(self, row: JournalRow) -> None:
        self._connection.execute("INSERT INTO rows VALUES (?, ?, ?, ?)", (row.number, row.previous, row.body, row.hash))

    def rows(self, first: int = 1, limit: int = -1) -> Iterator[JournalRow]:
        """Read rows in order, unverified."""
        query = "SELECT number, previous, body, hash FROM rows WHERE number >= ? ORDER BY number LIMIT ?"
        for number, previous, body, digest in self._connection.execute(query, (first, limit)):
            yield JournalRow(number, previous, body, digest)

    def verified(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Read every body from row 1 on, verifying the chain. Raises ``JournalBrokenError`` at the first wrong row."""
        previous, number = GENESIS_PREVIOUS, 0
        try:
            for row in self.rows():
                number += 1
                check_row(row, number, previous)
                previous = row.hash
                yield number, read_body(row)
        except sqlite3.DatabaseError as error:
            raise JournalBrokenError(number + 1, f"the file is damaged ({error})") from None
        if (number, previous) != (self.count, self.head):
            raise JournalBrokenError(number + 1, "rows are missing")

    def close(self) -> None:
        """Give the lock back."""
        self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def check_row(row: JournalRow, number: int, previous: bytes) -> None:
    """Refuse a row that is not number ``number`` after the row with that hash. Raises ``JournalBrokenError``."""
    if row.number != number:
        raise JournalBrokenError(number, "the row is missing")
    if row.previous != previous:
        raise JournalBrokenError(number, "it does not follow the row before it")
    if row.hash != row_hash(previous, number, row.body):
        raise JournalBrokenError(number, "its hash is not the hash of what it says")


def read_body(row: JournalRow) -> dict[str, Any]:
    """Give what a row says. Raises ``JournalBrokenError`` where it is not written in the one way."""
    try:
        body = json.loads(row.body)
        canonical = isinstance(body, dict) and encode_body(body) == row.body
    except (ValueError, TypeError):
        body, canonical = {}, False
    if not canonical:
        raise JournalBrokenError(row.number, "it is not an object in canonical JSON")
    return dict(body)


def open_writer(path: Path) -> Journal:
    """Open or make the journal (0600) and lock it. Raises ``BusyError`` where another process has it."""
    lock = take_lock(path)
    if lock is None:
        message = f"another process writes {path}; a journal has one writer"
        raise BusyError(message)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE))
        return Journal(path, connect(path, _SCHEMA), lock)
    except sqlite3.DatabaseError as error:
        os.close(lock)
        raise JournalBrokenError(1, f"the file is damaged ({error})") from None


def read_rows(path: Path, first: int, limit: int) -> tuple[JournalRow, ...]:
    """Read at most ``limit`` rows beside a running writer, as many as one message has room for."""
    with contextlib.closing(open_reader(path)) as journal:
        return within_message(journal.rows(first, limit))


def within_message(rows: Iterator[JournalRow]) -> tuple[JournalRow, ...]:
    """Take rows until their bodies, which travel as hex in one frame of 16 MiB, are enough for one message."""
    taken: list[JournalRow] = []
    size = 0
    for row in rows:
        taken.append(row)
        size += len(row.body)
        if size > MAX_ROWS_BYTES or len(taken) == MAX_ROWS:
            break
    return tuple(taken)


def has_writer(path: Path) -> bool:
    """Whether a process writes this journal now."""
    lock = take_lock(path)
    if lock is not None:
        os.close(lock)
    return lock is None


def take_lock(path: Path) -> int | None:
    """Lock the file beside ``path`` and give its descriptor, or nothing where another process has it."""
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def open_reader(path: Path) -> Journal:
    """Open the journal to read only, as it is now; a running writer is not disturbed."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    try:
        # One snapshot until it is closed: a row appended while we read would else look like one that is missing.
        connection.execute("BEGIN")
        return Journal(path, connection, None)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise JournalBrokenError(1, f"the file cannot be read ({error})") from None


def connect(path: Path, schema: str) -> sqlite3.Connection:
    """Open a file whose commits are on the disk when they return. Raises ``BusyError`` where that cannot be had."""
    # Every use is under its owner's one lock, so threads never share the connection at the same time.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        message = f"{path}: SQLite cannot use a write-ahead log here"
        raise BusyError(message)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA fullfsync=ON")
    connection.executescript(schema)
    return connection
