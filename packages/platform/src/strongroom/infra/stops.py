"""Stop switches: named, recorded, seen by every process at its next step.

Anyone may set one (tightening is immediate); clearing is an operator's act and is recorded with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from strongroom.infra.database import Connection, load_queries

_SQL = load_queries(__package__ or "", "stops.sql")


class Stop(StrEnum):
    """What can be stopped; ``CREDIT`` and ``HOT_INTAKE`` carry a scope (a CAIP-2 chain id), else ``*``."""

    PAYOUTS = "payouts"
    CREDIT = "credit"
    HOT_INTAKE = "hot-intake"
    INVOICES = "invoices"


@dataclass(frozen=True, slots=True)
class StandingStop:
    """A stop that nobody has cleared: what, for whom (``*``: everyone, else a CAIP-2 chain id), why, whose and when."""

    name: str
    scope: str
    reason: str
    set_by: str
    set_at: datetime


async def set_stop(connection: Connection, stop: Stop, reason: str, by: str, scope: str = "*") -> None:
    """Stop something, for everyone or one scope; again is harmless and keeps the first reason."""
    await connection.execute(_SQL["set_stop"], {"name": stop, "scope": scope, "reason": reason, "by": by})


async def clear_stop(connection: Connection, stop: str, reason: str, by: str, scope: str = "*") -> bool:
    """Let it go on; what was stopped, why, and who cleared it stay on record. False where it was not stopped.

    Name and scope are those of any stop that stands, also of one that another release set and this one does not know.
    """
    values = {"name": stop, "scope": scope, "reason": reason, "by": by}
    return bool(await (await connection.execute(_SQL["clear_stop"], values)).fetchall())


async def stopped(connection: Connection, stop: Stop, scope: str = "*") -> str | None:
    """Give the reason where it is stopped, for everyone or for ``scope``; else None."""
    row = await (await connection.execute(_SQL["stopped"], {"name": stop, "scope": scope})).fetchone()
    return str(row["reason"]) if row else None


async def standing(connection: Connection) -> list[StandingStop]:
    """Give every stop that stands, of everyone and of single chains, oldest first."""
    return [StandingStop(**row) async for row in await connection.execute(_SQL["standing"])]
