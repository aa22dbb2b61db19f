"""All SQL of the console: its sessions. What it shows is read through the rooms that own it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from strongroom.console.model import Session
from strongroom.infra.database import Connection, load_queries
from strongroom_core.ids import MerchantId, TokenId

_SQL: Final = load_queries(__package__)


async def insert_session(connection: Connection, digest: bytes, session: Session, created_at: datetime) -> None:
    """Record a session."""
    values = {
        "digest": digest,
        "merchant_id": session.merchant_id,
        "token_id": session.token_id,
        "created_at": created_at,
        "expires_at": session.expires_at,
    }
    await connection.execute(_SQL["insert_session"], values)


async def session(connection: Connection, digest: bytes, now: datetime) -> Session | None:
    """Find a session whose time is not over."""
    cursor = await connection.execute(_SQL["session"], {"digest": digest, "now": now})
    row = await cursor.fetchone()
    return Session(MerchantId(row["merchant_id"]), TokenId(row["token_id"]), row["expires_at"]) if row else None


async def delete_session(connection: Connection, digest: bytes) -> None:
    """End a session."""
    await connection.execute(_SQL["delete_session"], {"digest": digest})


async def delete_expired(connection: Connection, now: datetime) -> None:
    """Forget sessions whose time is over."""
    await connection.execute(_SQL["delete_expired"], {"now": now})
