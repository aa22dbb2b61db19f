"""PostgreSQL: pools, transactions, named queries.

One request or one step of a loop is one transaction, committed at the edge: services take an open connection and never
commit. NUMERIC columns hold whole base units and arrive as ``int``; a fraction in one is an error, not a float.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any, Final

from psycopg import AsyncConnection, OperationalError
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

Connection = AsyncConnection[DictRow]
Pool = AsyncConnectionPool[Connection]

_QUERY_HEAD: Final = re.compile(r"^-- name: ([a-z0-9_]+)[^\n]*\n", re.MULTILINE)
CONNECT_TIMEOUT_SECONDS: Final = 10
# What a caller catches that can say «not now» where the database is down or full.
UNREACHABLE: Final = (OperationalError, PoolTimeout)


class _WholeNumber(Loader):
    """Reads NUMERIC as an integer; ``int`` itself refuses a fraction."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data))


async def configure(connection: AsyncConnection[Any]) -> None:
    """Set up a fresh connection: integers for NUMERIC, UTC."""
    connection.adapters.register_loader("numeric", _WholeNumber)
    await connection.set_autocommit(True)
    await connection.execute("SET timezone TO 'UTC'")
    await connection.set_autocommit(False)


def make_pool(dsn: str, *, size: int = 8, name: str = "strongroom") -> Pool:
    """Make a pool, still closed; enter it with ``async with``. ``dsn`` is a libpq URL or key=value string."""
    return AsyncConnectionPool(
        dsn,
        min_size=1,
        max_size=size,
        open=False,
        name=name,
        configure=configure,
        timeout=CONNECT_TIMEOUT_SECONDS,
        connection_class=AsyncConnection[DictRow],
        kwargs={"row_factory": dict_row, "application_name": name},
    )


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """Borrow a connection for one transaction: committed at the end, rolled back on any error."""
    async with pool.connection() as connection, connection.transaction():
        yield connection


async def connect(dsn: str, *, name: str = "strongroom") -> Connection:
    """Open one connection outside a pool, set up as the pool's are."""
    connection = await AsyncConnection.connect(
        dsn, row_factory=dict_row, application_name=name, connect_timeout=CONNECT_TIMEOUT_SECONDS
    )
    await configure(connection)
    return connection


def load_queries(package: str, file: str = "queries.sql") -> Mapping[str, Any]:
    """Read a room's named queries: each begins with a line ``-- name: the_name``. Pass ``__package__``.

    The values are SQL texts; they are typed loosely because psycopg asks for literal strings, which a file cannot give.
    """
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    parts = _QUERY_HEAD.split(text)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
