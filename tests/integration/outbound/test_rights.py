"""Whoever reads the database, with any role but the treasury's, gets nothing that a chain would execute."""

from __future__ import annotations

import psycopg
import pytest

from tests.fixtures.postgres import Database

# Signers' answers, signed chain txs and plans, and calls, which carry the signatures of a Safe's owners.
EXECUTABLE = [
    ("outbound_version", "raw"),
    ("outbound_version", "psbt"),
    ("outbound_answer", "psbt"),
    ("outbound_relay", "data"),
    ("outbound_relay_version", "raw"),
]


@pytest.mark.parametrize("role", ["api", "watcher", "worker", "auditor"])
@pytest.mark.parametrize(("table", "column"), EXECUTABLE)
@pytest.mark.parametrize("statement", ["SELECT {column} FROM {table}", "SELECT * FROM {table}", "TABLE {table}"])
def test_only_the_treasury_reads_what_a_chain_would_execute(
    pg_module: Database, role: str, table: str, column: str, statement: str
) -> None:
    with psycopg.connect(pg_module.dsn(role)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.format(table=table, column=column).encode())


@pytest.mark.parametrize(("table", "column"), EXECUTABLE)
def test_all_its_other_columns_are_the_auditors_to_read(pg_module: Database, table: str, column: str) -> None:
    hidden = {name for other, name in EXECUTABLE if other == table}
    assert column in hidden
    columns = pg_module.execute(
        "SELECT attname, has_column_privilege('strongroom_auditor', attrelid, attnum, 'SELECT') FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        table,
    )
    assert {name for name, may in columns if not may} == hidden
    with psycopg.connect(pg_module.dsn("treasury")) as connection:
        connection.execute(f"SELECT {column} FROM {table}".encode())
