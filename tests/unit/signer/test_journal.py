"""The journal: one writer, only appended to, and every change of a byte is found with its row."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from strongroom_core.messages import Refused
from strongroom_signer.errors import BusyError, JournalBrokenError
from strongroom_signer.host import read_books
from strongroom_signer.journal import encode_body, open_reader, open_writer, row_hash
from tests.unit.signer.kit import Bench, coin, intent, payout


@pytest.fixture
def filled(bench: Bench) -> Path:
    """A closed journal: genesis, enrolment, two signed, one refused."""
    for salt in range(2):
        assert bench.tag(payout(intent(), coins=(coin(salt=salt),)).request()) == "signed"
    assert bench.tag(payout(intent(fee_ceiling=1), coins=(coin(salt=9),)).request()) == "fee-ceiling"
    bench.close()
    return bench.folder / "journal.sqlite"


def test_a_journal_has_one_writer_and_many_readers(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    writer = open_writer(path)
    writer.append({"kind": "genesis", "at": 1})
    with pytest.raises(BusyError):
        open_writer(path)
    reader = open_reader(path)
    assert [number for number, _ in reader.verified()] == [1]
    reader.close()
    writer.close()
    open_writer(path).close()


def test_rows_are_hashed_as_documented(tmp_path: Path):
    journal = open_writer(tmp_path / "journal.sqlite")
    for at in (1, 2):
        journal.append({"at": at, "kind": "x", "text": "é"})
    first, second = journal.rows()
    assert first.body == b'{"at":1,"kind":"x","text":"\\u00e9"}'
    assert first.previous == bytes(32)
    assert first.hash == row_hash(bytes(32), 1, first.body)
    assert second.previous == first.hash
    assert journal.head == second.hash
    journal.close()


def test_every_commit_is_synced(tmp_path: Path):
    journal = open_writer(tmp_path / "journal.sqlite")
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert not journal._connection.in_transaction
    journal.append({"kind": "x", "at": 1})
    assert not journal._connection.in_transaction
    journal.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rows SET body = body WHERE number = 2",
        "DELETE FROM rows WHERE number = 5",
        "DELETE FROM rows",
        "INSERT INTO rows VALUES (99, zeroblob(32), x'7b7d', zeroblob(32))",
        "INSERT INTO rows SELECT 6, previous, body, hash FROM rows WHERE number = 5",
        "INSERT OR REPLACE INTO rows SELECT number, previous, body, hash FROM rows WHERE number = 5",
    ],
)
def test_the_file_itself_refuses_to_change_a_row(filled: Path, statement: str):
    connection = sqlite3.connect(filled, isolation_level=None)
    with pytest.raises(sqlite3.DatabaseError):
        connection.execute(statement)
    connection.close()


def _update(number: int, column: str, value: bytes) -> Callable[[sqlite3.Connection], object]:
    return lambda connection: connection.execute(f"UPDATE rows SET {column} = ? WHERE number = ?", (value, number))


def _rehashed(connection: sqlite3.Connection) -> None:
    body = connection.execute("SELECT body FROM rows WHERE number = 3").fetchone()[0].replace(b'"fee":5000', b'"fee":1')
    previous = connection.execute("SELECT hash FROM rows WHERE number = 2").fetchone()[0]
    connection.execute("UPDATE rows SET body = ?, hash = ? WHERE number = 3", (body, row_hash(previous, 3, body)))


def _unknown_kind(connection: sqlite3.Connection) -> None:
    previous = connection.execute("SELECT hash FROM rows WHERE number = 5").fetchone()[0]
    body = encode_body({"kind": "bribed", "at": 1})
    connection.execute("INSERT INTO rows VALUES (6, ?, ?, ?)", (previous, body, row_hash(previous, 6, body)))


TAMPERED: dict[str, tuple[Callable[[sqlite3.Connection], object], int]] = {
    "a body changed": (_update(3, "body", b'{"at":1,"kind":"refused"}'), 3),
    "a body and its hash changed": (_rehashed, 4),
    "a hash changed": (_update(2, "hash", bytes(32)), 2),
    "a link changed": (_update(4, "previous", bytes(32)), 4),
    "the first row changed": (_update(1, "body", b"{}"), 1),
    "a row taken out": (lambda connection: connection.execute("DELETE FROM rows WHERE number = 3"), 3),
    "the first row taken out": (lambda connection: connection.execute("DELETE FROM rows WHERE number = 1"), 1),
    "a row of an unknown kind": (_unknown_kind, 6),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_journal_is_named_by_its_first_wrong_row_and_nothing_is_signed(
    bench: Bench, filled: Path, name: str
):
    tamper, row = TAMPERED[name]
    connection = sqlite3.connect(filled, isolation_level=None)
    for trigger in ("rows_stay", "rows_remain", "rows_follow"):
        connection.execute(f"DROP TRIGGER {trigger}")
    tamper(connection)
    connection.close()

    journal = open_writer(filled)
    with pytest.raises(JournalBrokenError) as error:
        read_books(journal)
    assert error.value.row == row
    before = journal.count
    bench.signer.journal = journal
    bench.signer.broken = error.value
    answer = bench.ask(payout(intent(), coins=(coin(salt=3),)).request())
    assert isinstance(answer, Refused)
    assert answer.tag == "journal-broken"
    assert f"row {row}" in answer.reason
    assert journal.count == before


def test_a_damaged_file_is_named_too(filled: Path):
    size = filled.stat().st_size
    data = bytearray(filled.read_bytes())
    data[size // 2 : size // 2 + 2_000] = b"\xff" * 2_000
    filled.write_bytes(data)
    with pytest.raises(JournalBrokenError):
        read_books(open_reader(filled))


def test_a_disk_that_takes_no_more_stops_all_signing(bench: Bench):
    """A row that cannot be written is a decision that cannot be remembered."""
    bench.signer.journal._connection.execute("PRAGMA max_page_count = 1")
    payment = intent()
    assert bench.tag(payout(payment).request()) == "journal-broken"
    assert bench.tag(payout(payment).request()) == "journal-broken"
    assert not bench.signer.books.slots
    bench.restart()
    assert bench.tag(payout(payment).request()) == "signed"


def test_a_copy_of_the_journal_reads_the_same(filled: Path, tmp_path: Path):
    copy = tmp_path / "copy.sqlite"
    shutil.copy(filled, copy)
    first, second = open_reader(filled), open_reader(copy)
    assert list(first.verified()) == list(second.verified())
    first.close()
    second.close()


def test_a_reader_sees_one_moment_while_the_writer_goes_on(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    writer = open_writer(path)
    writer.append({"kind": "halted", "at": 1})
    reader = open_reader(path)
    writer.append({"kind": "resumed", "at": 2})
    assert [number for number, _ in reader.verified()] == [1]
    assert [number for number, _ in open_reader(path).verified()] == [1, 2]
    writer.close()
