"""The journal's hashes, computed here from the documented format and with none of the signer's own code."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

from strongroom_signer.journal import open_writer


def test_a_rows_hash_follows_from_the_row_before_it_as_documented(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    journal = open_writer(path)
    for at in range(3):
        journal.append({"kind": "x", "at": at})
    journal.close()
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT number, previous, body, hash FROM rows ORDER BY number").fetchall()
    connection.close()
    previous = bytes(32)
    for count, (number, link, body, digest) in enumerate(rows, 1):
        assert (number, link) == (count, previous)
        assert body == b'{"at":%d,"kind":"x"}' % (count - 1)
        previous = hashlib.sha256(previous + count.to_bytes(8, "big") + body).digest()
        assert digest == previous
    assert len(rows) == 3
