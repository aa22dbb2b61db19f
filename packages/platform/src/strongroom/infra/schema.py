"""Migrations: numbered SQL files, applied in order, each once, under lock and statement time-outs.

A file that was applied never changes: its SHA-256 is kept and compared, so that two databases of one version are alike.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

from psycopg import sql

from strongroom.infra.database import Connection, connect, load_queries
from strongroom_core.errors import StrongroomError

ROLES: Final = (
    "strongroom_api",
    "strongroom_watcher",
    "strongroom_worker",
    "strongroom_treasury",
    "strongroom_auditor",
)
_SQL = load_queries(__package__ or "", "schema.sql")
_PACKAGE: Final = "strongroom.infra.migrations"


class MigrationChangedError(StrongroomError):
    """A migration that was applied reads differently now."""

    code = "migration-changed"


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


async def create_roles(dsn: str) -> None:
    """Make the processes' roles where they are missing; ``dsn`` is a superuser's.

    Passwords are given elsewhere, as verifiers: a statement with one in it could end in a log.
    """
    async with await connect(dsn, name="roles") as connection:
        await connection.execute(_SQL["lock"])
        for role in ROLES:
            known = await (await connection.execute(_SQL["role_exists"], [role])).fetchone()
            if known is None:
                await connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))


async def migrate(dsn: str) -> list[str]:
    """Bring the database of ``dsn`` (its owner's) up to this release; the names of the files applied now.

    Raises ``MigrationChangedError`` where history differs. Safe to call from several processes at once.
    """
    async with await connect(dsn, name="migrate") as connection:
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
