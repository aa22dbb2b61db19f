"""What this host holds of others' journals: an append-only SQLite file, so that none of them can be rewound.

Nothing is judged here but order and origin: rows follow the ones that are held, and their owner signed the head after
them. Two heads that one owner signed at one number are a fork: proof that this owner, or a thief with its key, wrote
two pasts. It is kept, and nothing of the second past is.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strongroom_core.messages import JournalRow
from strongroom_core.refusals import RefusalTag
from strongroom_signer.errors import BusyError, JournalBrokenError, RefusedError
from strongroom_signer.files import PRIVATE_FILE
from strongroom_signer.journal import GENESIS_PREVIOUS, check_row, connect, take_lock, within_message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS rows (
    owner    TEXT    NOT NULL,
    number   INTEGER NOT NULL,
    previous BLOB    NOT NULL CHECK (length(previous) = 32),
    body     BLOB    NOT NULL,
    hash     BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (owner, number)
) STRICT;
CREATE TABLE IF NOT EXISTS heads (
    owner     TEXT    NOT NULL,
    rows      INTEGER NOT NULL,
    signature BLOB    NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (owner, rows)
) STRICT;
CREATE TABLE IF NOT EXISTS forks (
    owner     TEXT    NOT NULL,
    number    INTEGER NOT NULL,
    held      BLOB    NOT NULL,
    pushed    BLOB    NOT NULL,
    rows      INTEGER NOT NULL,
    head      BLOB    NOT NULL,
    signature BLOB    NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (owner, number, pushed)
) STRICT;
CREATE TRIGGER IF NOT EXISTS rows_follow BEFORE INSERT ON rows
WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM rows WHERE owner = NEW.owner)
  OR NEW.previous <> coalesce(
      (SELECT hash FROM rows WHERE owner = NEW.owner ORDER BY number DESC LIMIT 1), zeroblob(32))
BEGIN SELECT raise(ABORT, 'a row follows the last one of its owner'); END;
CREATE TRIGGER IF NOT EXISTS heads_rise BEFORE INSERT ON heads
WHEN NEW.rows <= (SELECT coalesce(max(rows), 0) FROM heads WHERE owner = NEW.owner)
  OR NEW.rows <> (SELECT coalesce(max(number), 0) FROM rows WHERE owner = NEW.owner)
BEGIN SELECT raise(ABORT, 'a head is that of the last row of its owner'); END;
CREATE TRIGGER IF NOT EXISTS rows_stay BEFORE UPDATE ON rows
BEGIN SELECT raise(ABORT, 'what is held never changes'); END;
CREATE TRIGGER IF NOT EXISTS rows_remain BEFORE DELETE ON rows
BEGIN SELECT raise(ABORT, 'what is held never goes'); END;
CREATE TRIGGER IF NOT EXISTS heads_stay BEFORE UPDATE ON heads
BEGIN SELECT raise(ABORT, 'what is held never changes'); END;
CREATE TRIGGER IF NOT EXISTS heads_remain BEFORE DELETE ON heads
BEGIN SELECT raise(ABORT, 'what is held never goes'); END;
CREATE TRIGGER IF NOT EXISTS forks_stay BEFORE UPDATE ON forks
BEGIN SELECT raise(ABORT, 'what is held never changes'); END;
CREATE TRIGGER IF NOT EXISTS forks_remain BEFORE DELETE ON forks
BEGIN SELECT raise(ABORT, 'what is held never goes'); END;
"""


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of one journal: so many rows, the hash of the last, and the owner's signature (64 bytes) on it."""

    rows: int = 0
    head: bytes = GENESIS_PREVIOUS
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Pushed:
    """Rows in order, and the owner's signature over the head after the last of them, which was verified."""

    owner: str
    rows: Sequence[JournalRow]
    signature: bytes

    def check(self) -> None:
        """Refuse no rows at all, and rows that are no chain. Raises ``RefusedError``."""
        if not self.rows or self.rows[0].number < 1:
            raise RefusedError(RefusalTag.ROWS_REFUSED, "a push brings at least one row, and the first has number 1")
        previous, number = self.rows[0].previous, self.rows[0].number
        try:
            for row in self.rows:
                check_row(row, number, previous)
                previous, number = row.hash, number + 1
        except JournalBrokenError as error:
            raise RefusedError(RefusalTag.ROWS_REFUSED, error.message) from None


class PeerStore:
    """One writer, by an advisory lock; threads take turns by a lock of its own, never by the decision's."""

    def __init__(self, path: Path) -> None:
        """Open or make the file (0600) and read all of it. Raises ``BusyError``, ``JournalBrokenError``."""
        lock = take_lock(path)
        if lock is None:
            message = f"another process writes {path}"
            raise BusyError(message)
        self._lock, self._turn = lock, threading.Lock()
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE))
            self._connection = connect(path, _SCHEMA)
            self._held = self._read()
        except sqlite3.DatabaseError as error:
            os.close(lock)
            raise JournalBrokenError(1, f"{path.name} is damaged ({error})") from None
        except BaseException:
            os.close(lock)
            raise

    def _read(self) -> dict[str, Held]:
        held: dict[str, Held] = {}
        query = "SELECT owner, number, previous, body, hash FROM rows ORDER BY owner, number"
        for owner, *columns in self._connection.execute(query):
            row, before = JournalRow(*columns), held.get(owner, Held())
            check_row(row, before.rows + 1, before.head)
            held[owner] = Held(row.number, row.hash)
        heads = dict(self._connection.execute("SELECT owner, max(rows) FROM heads GROUP BY owner").fetchall())
        for owner, mine in held.items():
            if heads.get(owner) != mine.rows:
                raise JournalBrokenError(mine.rows, f"no head of {owner} is signed there")
            held[owner] = Held(mine.rows, mine.head, self._signature(owner, mine.rows))
        return held

    def _signature(self, owner: str, rows: int) -> bytes:
        query = "SELECT signature FROM heads WHERE owner = ? AND rows = ?"
        return bytes(self._connection.execute(query, (owner, rows)).fetchone()[0])

    def held(self, owner: str) -> Held:
        """What is held of a journal; nothing of one that was never pushed."""
        return self._held.get(owner, Held())

    def copy(self, owner: str, first: int, limit: int) -> tuple[JournalRow, ...]:
        """Give rows from number ``first`` on, as many as one message has room for."""
        query = "SELECT number, previous, body, hash FROM rows WHERE owner = ? AND number >= ? ORDER BY number LIMIT ?"
        with self._turn:
            return within_message(JournalRow(*row) for row in self._connection.execute(query, (owner, first, limit)))

    def accept(self, pushed: Pushed, now: int) -> Held:
        """Keep what is new of these rows, synced, and say what is held then; what is held already is no error.

        Raises ``RefusedError``: ``rows-refused`` where rows are missing before them, ``journal-forked`` where another
        row is held at one of their numbers, which is recorded.
        """
        pushed.check()
        with self._turn:
            held = self.held(pushed.owner)
            if pushed.rows[0].number > held.rows + 1:
                raise RefusedError(RefusalTag.ROWS_REFUSED, f"row {held.rows + 1} comes next, not a later one")
            self._refuse_fork(pushed, held, now)
            new = [row for row in pushed.rows if row.number > held.rows]
            if new:
                self._write(pushed, new)
                self._held[pushed.owner] = Held(new[-1].number, new[-1].hash, pushed.signature)
            return self.held(pushed.owner)

    def _refuse_fork(self, pushed: Pushed, held: Held, now: int) -> None:
        first = pushed.rows[0]
        hashes = [(first.number - 1, first.previous), *((row.number, row.hash) for row in pushed.rows)]
        for number, digest in hashes:
            mine = self._hash(pushed.owner, number) if number <= held.rows else digest
            if mine != digest:
                self._record(pushed, (number, mine, digest), now)
                raise RefusedError(RefusalTag.JOURNAL_FORKED, f"another row {number} of {pushed.owner} is held here")

    def _hash(self, owner: str, number: int) -> bytes:
        if number == 0:
            return GENESIS_PREVIOUS
        query = "SELECT hash FROM rows WHERE owner = ? AND number = ?"
        return bytes(self._connection.execute(query, (owner, number)).fetchone()[0])

    def _record(self, pushed: Pushed, fork: tuple[int, bytes, bytes], now: int) -> None:
        last = pushed.rows[-1]
        values = (pushed.owner, *fork, last.number, last.hash, pushed.signature, now)
        self._connection.execute("INSERT OR IGNORE INTO forks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def _write(self, pushed: Pushed, new: Sequence[JournalRow]) -> None:
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "INSERT INTO rows VALUES (?, ?, ?, ?, ?)",
                [(pushed.owner, row.number, row.previous, row.body, row.hash) for row in new],
            )
            self._connection.execute(
                "INSERT INTO heads VALUES (?, ?, ?)", (pushed.owner, new[-1].number, pushed.signature)
            )

    def forks(self, owner: str) -> list[tuple[int, bytes, bytes]]:
        """Give the recorded forks of a journal: number, hash of the row that is held, hash of the one refused."""
        query = "SELECT number, held, pushed FROM forks WHERE owner = ? ORDER BY number, pushed"
        with self._turn:
            return [(row[0], bytes(row[1]), bytes(row[2])) for row in self._connection.execute(query, (owner,))]

    def close(self) -> None:
        """Give the lock back."""
        self._connection.close()
        os.close(self._lock)
