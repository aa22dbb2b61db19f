"""All SQL of merchants and their tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strongroom.infra.database import Connection, load_queries
from strongroom.merchants.model import ApiToken, Merchant, Scope
from strongroom_core.ids import MerchantId, TokenId

_SQL = load_queries(__package__ or "")


async def insert_merchant(connection: Connection, merchant_id: MerchantId, name: str) -> Merchant:
    """Insert a merchant; the database gives its branch."""
    row = await _one(connection, "insert_merchant", id=merchant_id, name=name)
    return _merchant(row or {})


async def merchant(connection: Connection, merchant_id: MerchantId) -> Merchant | None:
    """Read one merchant."""
    row = await _one(connection, "merchant", id=merchant_id)
    return _merchant(row) if row else None


async def merchants(connection: Connection) -> list[Merchant]:
    """Read all merchants, by branch."""
    rows = await (await connection.execute(_SQL["merchants"])).fetchall()
    return [_merchant(row) for row in rows]


async def insert_token(
    connection: Connection,
    *,
    token_id: TokenId,
    merchant_id: MerchantId,
    digest: bytes,
    scopes: frozenset[Scope],
    label: str,
    key: str | None,
    request: bytes | None,
) -> ApiToken | None:
    """Insert a token by its digest; None where the idempotency key ``key`` made one before."""
    row = await _one(
        connection,
        "insert_token",
        id=token_id,
        merchant_id=merchant_id,
        digest=digest,
        scopes=sorted(scopes),
        label=label,
        key=key,
        request=request,
    )
    return _token(row) if row else None


async def token_of_key(connection: Connection, merchant_id: MerchantId, key: str) -> tuple[ApiToken, bytes] | None:
    """Read the token that an idempotency key made, and the digest of its request."""
    row = await _one(connection, "token_of_key", merchant_id=merchant_id, key=key)
    return (_token(row), bytes(row["request_digest"])) if row else None


async def token_to_check(connection: Connection, token_id: TokenId) -> Mapping[str, Any] | None:
    """Read what authentication compares, of a token that is not revoked."""
    return await _one(connection, "token_to_check", id=token_id)


async def tokens(connection: Connection, merchant_id: MerchantId) -> list[ApiToken]:
    """Read a merchant's tokens, revoked ones too."""
    rows = await (await connection.execute(_SQL["tokens"], {"merchant_id": merchant_id})).fetchall()
    return [_token(row) for row in rows]


async def revoke_token(connection: Connection, merchant_id: MerchantId, token_id: TokenId) -> bool:
    """Mark a token revoked; whether this merchant has it."""
    return await _one(connection, "revoke_token", merchant_id=merchant_id, id=token_id) is not None


async def _one(connection: Connection, query: str, **values: object) -> Mapping[str, Any] | None:
    return await (await connection.execute(_SQL[query], values)).fetchone()


def _merchant(row: Mapping[str, Any]) -> Merchant:
    return Merchant(MerchantId(row["id"]), row["name"], row["branch"], row["created_at"])


def _token(row: Mapping[str, Any]) -> ApiToken:
    return ApiToken(
        TokenId(row["id"]),
        MerchantId(row["merchant_id"]),
        frozenset(Scope(scope) for scope in row["scopes"]),
        row["label"],
        row["created_at"],
        row["revoked_at"],
    )
