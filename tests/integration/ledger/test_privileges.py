"""Nobody but the functions writes to the books: tried from the connection of every process."""

import psycopg
import pytest

from strongroom.infra.schema import ROLES
from tests.fixtures.postgres import Database

TABLES = ("ledger_account", "ledger_transaction", "ledger_entry", "ledger_hold")
APPEND_ONLY = ("ledger_transaction", "ledger_entry")
WRITES = (
    "UPDATE {table} SET {column} = {column}",
    "DELETE FROM {table}",
    "TRUNCATE {table}",
    "INSERT INTO {table} DEFAULT VALUES",
    "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "ALTER TABLE {table} DISABLE TRIGGER USER",
    "DROP TABLE {table}",
    "SET session_replication_role = replica",
)
COLUMN = {"ledger_account": "balance", "ledger_transaction": "kind", "ledger_entry": "amount", "ledger_hold": "state"}
FUNCTIONS = {"ledger_post", "ledger_reserve", "ledger_capture", "ledger_release", "ledger_expire"}
MAY = {
    "strongroom_api": {"ledger_reserve", "ledger_release"},
    "strongroom_watcher": set(),
    "strongroom_worker": FUNCTIONS | {"ledger_judge_all", "ledger_report_breach"},
    "strongroom_treasury": FUNCTIONS,
    "strongroom_auditor": set(),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("role", ROLES)
def test_no_process_writes_past_the_functions(pg_module: Database, role: str, table: str, write: str) -> None:
    statement = write.format(table=table, column=COLUMN[table])
    with psycopg.connect(pg_module.dsn(role)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


@pytest.mark.parametrize("role", ROLES)
def test_each_process_may_execute_exactly_what_it_needs(pg_module: Database, role: str) -> None:
    rows = pg_module.execute(
        "SELECT proname FROM pg_proc WHERE proname LIKE 'ledger%%' AND prokind = 'f' AND provolatile = 'v' "
        "AND has_function_privilege(%s, oid, 'EXECUTE')",
        role,
    )
    assert {row[0] for row in rows} == MAY[role]


@pytest.mark.parametrize("write", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0}"])
@pytest.mark.parametrize("table", APPEND_ONLY)
def test_not_even_the_owner_changes_what_was_posted(pg_module: Database, table: str, write: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        pg_module.execute(write.format(table, COLUMN[table]))


@pytest.mark.parametrize("table", ["ledger_account", "ledger_hold"])
def test_accounts_and_holds_are_never_deleted(pg_module: Database, table: str) -> None:
    for write in (f"DELETE FROM {table}", f"TRUNCATE {table}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            pg_module.execute(write)


def test_a_temporary_table_cannot_stand_in_for_the_books(pg: Database) -> None:
    with (
        psycopg.connect(pg.dsn("api"), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("CREATE TABLE public.ledger_account (id int)")
    [(privilege,)] = pg.execute("SELECT proconfig[1] FROM pg_proc WHERE proname = 'ledger_post'")
    assert privilege == "search_path=public, pg_temp"
