"""Facts stay as they were written, and each role may do no more than its part."""

from __future__ import annotations

import psycopg
import pytest

from strongroom.chains import service
from strongroom.infra.database import make_pool, transaction
from tests.fixtures.postgres import Database
from tests.integration.chains.support import CHAIN

FACTS = ["chain_event", "chain_event_tx", "chain_event_output", "chain_event_spend", "chain_tx", "chain_watch"]


@pytest.mark.parametrize("table", FACTS)
@pytest.mark.parametrize("role", ["watcher", "worker", "treasury", "api", "auditor"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "ALTER TABLE {} DISABLE TRIGGER ALL"])
def test_no_role_takes_a_fact_back(pg_module: Database, table: str, role: str, statement: str) -> None:
    with psycopg.connect(pg_module.dsn(role)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.format(table).encode())


@pytest.mark.parametrize("table", FACTS)
def test_not_even_the_owner_changes_a_fact(pg_module: Database, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        pg_module.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize("role", ["worker", "treasury", "api", "auditor"])
def test_only_the_watcher_writes_facts(pg_module: Database, role: str) -> None:
    insert = b"INSERT INTO chain_event (chain, kind, txid) VALUES ('x', 'mempool_added', 'y')"
    with psycopg.connect(pg_module.dsn(role)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(insert)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO chain_watch (chain, script) VALUES ('x', 'y')",
        "INSERT INTO chain_cursor VALUES ('deposits', 'x', 9)",
        "INSERT INTO outbox_event (topic, key, payload) VALUES ('deposit.credited', 'x', '{}')",
        "UPDATE chain_cursor SET event_id = 0",
        "UPDATE stop_switch SET cleared_at = now()",
    ],
)
def test_the_watcher_writes_nothing_else(pg_module: Database, statement: str) -> None:
    with psycopg.connect(pg_module.dsn("watcher")) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


async def test_watching_is_idempotent_and_cursors_only_advance(pg: Database) -> None:
    async with make_pool(pg.dsn("worker"), size=2) as pool:
        for _ in range(2):
            async with transaction(pool) as connection:
                await service.watch_scripts(connection, CHAIN, [b"\x51", b"\x52", b"\x51"])
        async with transaction(pool) as connection:
            assert await service.take_cursor(connection, "deposits", CHAIN) == 0
            await service.advance_cursor(connection, "deposits", CHAIN, 7)
            await service.advance_cursor(connection, "deposits", CHAIN, 3)
        async with transaction(pool) as connection:
            assert await service.take_cursor(connection, "deposits", CHAIN) == 7
            assert await service.take_cursor(connection, "coins", CHAIN) == 0
            assert await service.tip(connection, CHAIN) is None
    assert pg.execute("SELECT count(*) FROM chain_watch") == [(2,)]


def test_a_fact_is_taken_back_once(pg: Database) -> None:
    pg.execute("INSERT INTO chain_event (chain, kind, txid) VALUES ('x', 'mempool_added', 'y')")
    removed = (
        "INSERT INTO chain_event (chain, kind, txid, reason, undoes) "
        "SELECT 'x', 'mempool_removed', 'y', 'evicted', id FROM chain_event WHERE kind = 'mempool_added'"
    )
    pg.execute(removed)
    with pytest.raises(psycopg.errors.UniqueViolation):
        pg.execute(removed)
