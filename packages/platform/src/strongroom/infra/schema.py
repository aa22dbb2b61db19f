"""Migrations: numbered SQL files, applied in order, each once, under lock and statement time-outs.

A file that was applied never changes: its SHA-256 is kept and compared, so that two databases of one version are alike.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege, InvalidSchemaName

from strongroom.infra.components.hosting import write_private
from strongroom.infra.database import Connection, connect, load_queries
from strongroom.infra.settings import DatabaseSettings
from strongroom_core.errors import StrongroomError

ROLES: Final = (
    "strongroom_api",
    "strongroom_watcher",
    "strongroom_worker",
    "strongroom_treasury",
    "strongroom_auditor",
)
ROLE_PREFIX: Final = "strongroom_"
PASSWORD_BYTES: Final = 32
_SQL = load_queries(__package__ or "", "schema.sql")
_PACKAGE: Final = "strongroom.infra.migrations"


class MigrationChangedError(StrongroomError):
    """A migration that was applied reads differently now."""

    code = "migration-changed"


class SchemaRightsError(StrongroomError):
    """The login that was named may not do what a set-up has to."""

    code = "schema-rights"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name, which orders it, its text and the text's SHA-256."""

    name: str
    text: str
    digest: bytes


def migrations() -> list[Migration]:
    """Read all migrations of this release, in order."""
    files = sorted(
        (file for file in resources.files(_PACKAGE).iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    texts = [(file.name, file.read_text(encoding="utf-8")) for file in files]
    return [Migration(name, text, hashlib.sha256(text.encode()).digest()) for name, text in texts]


async def create_roles(dsn: str) -> list[str]:
    """Make the processes' roles where they are missing; those made now. ``dsn`` is of one who may, as a superuser may.

    Passwords are given elsewhere, as verifiers: a statement with one in it could end in a log. Raises
    ``SchemaRightsError``.
    """
    async with await connect(dsn, name="roles") as connection:
        await connection.execute(_SQL["lock"])
        known = {row["rolname"] for row in await (await connection.execute(_SQL["roles"], [list(ROLES)])).fetchall()}
        missing = [role for role in ROLES if role not in known]
        for role in missing:
            await _alter(connection, sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)), role)
    return missing


def owner_dsn(database: DatabaseSettings, owner: str) -> str:
    """Give the connection string of the database's owner; its password goes by file, as the roles' do, or by libpq."""
    passfile = database.passwords / owner
    found = {"passfile": str(passfile)} if passfile.exists() else {}
    return make_conninfo(host=database.host, port=database.port, dbname=database.name, user=owner, **found)


def without_password(database: DatabaseSettings) -> list[str]:
    """Give the roles whose passwords no file here holds."""
    return [role for role in ROLES if not _password_file(database, role).exists()]


async def give_passwords(dsn: str, database: DatabaseSettings, roles: Sequence[str]) -> None:
    """Give roles new random passwords, each in a file of mode 0600; whoever used the old ones is locked out.

    A file is written after its commit, so that one that is there is right. Raises ``SchemaRightsError``.
    """
    for role in roles:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        async with await connect(dsn, name="roles") as connection:
            # The server gets a salted verifier only, so that no statement log can hold the password.
            encrypted = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
            statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
            await _alter(connection, statement.format(sql.Identifier(role), sql.Literal(encrypted)), role)
        database.passwords.mkdir(mode=0o700, parents=True, exist_ok=True)
        host = database.host.replace("\\", "\\\\").replace(":", "\\:")  # libpq's own escapes in such a file
        write_private(_password_file(database, role), f"{host}:*:*:{role}:{password}\n")


def _password_file(database: DatabaseSettings, role: str) -> Path:
    return database.passwords / role.removeprefix(ROLE_PREFIX)


async def _alter(connection: Connection, statement: sql.Composed, role: str) -> None:
    with _rights(f"make or change the role {role}", "give it CREATEROLE"):
        await connection.execute(statement)


@contextmanager
def _rights(what: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except (InsufficientPrivilege, InvalidSchemaName) as error:
        message = f"this login may not {what} ({error.diag.message_primary}); {remedy}, or name another login"
        raise SchemaRightsError(message) from None


async def migrate(dsn: str) -> list[str]:
    """Bring the database of ``dsn`` (its owner's) up to this release; the names of the files applied now.

    Raises ``MigrationChangedError`` where history differs, ``SchemaRightsError``. Several may call it at once.
    """
    async with await connect(dsn, name="migrate") as connection:
        with _rights("change this database's tables", "make it the owner of the database"):
            async with connection.transaction():
                await connection.execute(_SQL["lock"])
                await connection.execute(_SQL["create_table"])
            return [item.name for item in migrations() if await _apply(connection, item)]


async def _apply(connection: Connection, migration: Migration) -> bool:
    async with connection.transaction():
        await connection.execute(_SQL["lock"])
        known = await (await connection.execute(_SQL["applied"], [migration.name])).fetchone()
        if known is None:
            await connection.execute(_SQL["timeouts"])
            await connection.execute(migration.text.encode())
            await connection.execute(_SQL["record"], [migration.name, migration.digest])
            return True
        if known["digest"] != migration.digest:
            message = f"{migration.name} was applied with another text; put it back and write a new migration instead"
            raise MigrationChangedError(message)
        return False
