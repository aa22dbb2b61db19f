"""`strongroom migrate` on a PostgreSQL that is not ours: a login that owns the database and is no superuser."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from strongroom.infra import schema
from strongroom.infra.components.hosting import free_port
from strongroom.infra.components.postgres import PostgresCluster
from strongroom.infra.database import connect
from strongroom.infra.settings import Role, load_settings
from tests.fixtures.forked import STRONGROOM, command

SETTINGS = """
deployment = "outside"
data_dir = "{folder}"
[database]
host = "127.0.0.1"
port = {port}
name = "shop"
passwords = "{folder}/passwords"
"""


@dataclass(frozen=True)
class Outside:
    """An installation whose database somebody else runs."""

    cluster: PostgresCluster
    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "strongroom.toml"

    def migrate(self, *options: str, owner: str = "keeper") -> Any:
        return command(STRONGROOM, "migrate", "--owner", owner, "--config", str(self.config), *options)

    def told(self, *options: str) -> dict[str, Any]:
        answer = self.migrate("--json", *options)
        assert answer.returncode == 0, answer.stderr
        return dict(json.loads(answer.stdout))

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        with self.cluster.superuser("shop") as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def outside(scratch: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Outside]:
    folder = scratch / f"outside-{os.getpid()}-{abs(hash(request.node.name))}" / "pg"
    with PostgresCluster(folder, free_port(), fast=True) as cluster:
        with cluster.superuser() as connection:
            connection.execute("CREATE ROLE keeper LOGIN CREATEROLE PASSWORD 'let me in'")
            connection.execute("CREATE ROLE guest LOGIN PASSWORD 'let me in'")
            connection.execute("CREATE DATABASE shop OWNER keeper")
        passwords = tmp_path / "passwords"
        passwords.mkdir()
        for login in ("keeper", "guest"):
            (passwords / login).write_text(f"127.0.0.1:*:*:{login}:let me in\n")
            (passwords / login).chmod(0o600)
        (tmp_path / "strongroom.toml").write_text(SETTINGS.format(folder=tmp_path, port=cluster.port))
        yield Outside(cluster, tmp_path)


def test_it_makes_everything_once_and_every_role_can_log_in(outside: Outside) -> None:
    names = [item.name for item in schema.migrations()]
    first = outside.told()
    assert (first["applied"], first["in_place"]) == (names, 0)
    assert (first["roles_made"], first["passwords_made"], first["passwords_missing"]) == ([*schema.ROLES],) * 2 + ([],)
    before = outside.execute("SELECT name, digest, applied_at FROM schema_migration ORDER BY name")
    again = outside.told()
    assert (again["applied"], again["in_place"]) == ([], len(names))
    assert again["roles_made"] == again["passwords_made"] == []
    assert outside.execute("SELECT name, digest, applied_at FROM schema_migration ORDER BY name") == before

    settings = load_settings(outside.config)
    roles: tuple[Role, ...] = ("api", "watcher", "worker", "treasury", "auditor")
    for role in roles:
        with psycopg.connect(settings.dsn(role)) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (f"strongroom_{role}",)
        assert stat.S_IMODE((outside.folder / "passwords" / role).stat().st_mode) == 0o600
    assert outside.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'strongroom%' AND rolsuper") == []


def test_a_database_of_an_earlier_release_gets_what_is_new_and_the_words_say_what(outside: Outside) -> None:
    outside.told()
    *_, last = schema.migrations()
    outside.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION keeper")
    asyncio.run(earlier_release(outside))
    answer = outside.migrate()
    assert answer.returncode == 0, answer.stderr
    assert [line for line in answer.stdout.splitlines() if line.startswith("applied ")] == [f"applied {last.name}"]
    assert f"1 migrations applied now, {len(schema.migrations()) - 1} were in place." in answer.stdout


async def earlier_release(outside: Outside) -> None:
    dsn = schema.owner_dsn(load_settings(outside.config).database, "keeper")
    async with await connect(dsn) as connection:
        async with connection.transaction():
            await connection.execute(schema._SQL["create_table"])
        for migration in schema.migrations()[:-1]:
            assert await schema._apply(connection, migration)


def test_a_migration_that_reads_differently_now_is_refused_by_its_code_and_nothing_changes(outside: Outside) -> None:
    outside.told()
    outside.execute("UPDATE schema_migration SET digest = '\\x00' WHERE name = '0010_ledger.sql'")
    before = outside.execute("SELECT * FROM schema_migration ORDER BY name")
    answer = outside.migrate()
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "migration-changed" in answer.stderr
    assert "0010_ledger.sql was applied with another text" in answer.stderr
    assert outside.execute("SELECT * FROM schema_migration ORDER BY name") == before


def test_a_login_without_the_rights_is_told_so_and_no_password_is_shown_anywhere(outside: Outside) -> None:
    refused = outside.migrate(owner="guest")
    assert (refused.returncode, "schema-rights" in refused.stderr, "CREATEROLE" in refused.stderr) == (1, True, True)
    outside.told()
    no_owner = outside.migrate(owner="guest")
    assert (no_owner.returncode, "schema-rights" in no_owner.stderr, "owner" in no_owner.stderr) == (1, True, True)
    (outside.folder / "passwords" / "keeper").write_text("127.0.0.1:*:*:keeper:wrong\n")
    wrong = outside.migrate()
    assert (wrong.returncode, "database-unreachable" in wrong.stderr) == (1, True)
    for answer in (refused, no_owner, wrong):
        assert "let me in" not in answer.stdout + answer.stderr
        assert "Traceback" not in answer.stderr


def test_passwords_elsewhere_stay_as_they_are_unless_new_ones_are_asked_for(outside: Outside) -> None:
    outside.told()
    settings = load_settings(outside.config)
    mine = outside.folder / "passwords" / "api"
    kept = mine.read_text()
    mine.unlink()  # this machine has never had it
    told = outside.told()
    assert (told["passwords_made"], told["passwords_missing"]) == ([], ["strongroom_api"])
    mine.write_text(kept)
    mine.chmod(0o600)
    psycopg.connect(settings.dsn("api")).close()
    mine.unlink()
    assert outside.told("--new-passwords")["passwords_made"] == ["strongroom_api"]
    assert mine.read_text() != kept
    psycopg.connect(settings.dsn("api")).close()
