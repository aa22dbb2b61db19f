"""All SQL of metrics: counts of what is open in other rooms' tables, as the auditor's role may read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from strongroom.infra.database import Connection, load_queries

_SQL: Final = load_queries(__package__ or "")


async def rows(connection: Connection, query: str) -> list[Mapping[str, Any]]:
    """Read the rows of a named query."""
    return list(await (await connection.execute(_SQL[query])).fetchall())
