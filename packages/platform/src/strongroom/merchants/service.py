"""Use cases of merchants and their API tokens. Every function runs on the caller's open transaction."""

from __future__ import annotations

from collections.abc import Iterable

from strongroom.infra import outbox
from strongroom.infra.database import Connection
from strongroom.merchants import rules, store
from strongroom.merchants.errors import (
    IdempotencyConflictError,
    MerchantNotFoundError,
    TokenInvalidError,
    TokenNotFoundError,
)
from strongroom.merchants.model import ApiToken, Merchant, Principal, Scope
from strongroom_core.ids import MerchantId, TokenId

_NOBODY = bytes(32)


async def create_merchant(connection: Connection, name: str) -> Merchant:
    """Make a merchant, on the next free branch. Raises ``InvalidMerchantError``. Publishes ``merchant.created``."""
    created = await store.insert_merchant(connection, MerchantId.new(), rules.clean_name(name))
    payload = {"id": created.id, "name": created.name, "branch": created.branch}
    await outbox.publish(connection, "merchant.created", created.id, payload)
    return created


async def get_merchant(connection: Connection, merchant_id: MerchantId) -> Merchant:
    """Find a merchant. Raises ``MerchantNotFoundError``."""
    found = await store.merchant(connection, merchant_id)
    if found is None:
        message = f"there is no merchant {merchant_id}"
        raise MerchantNotFoundError(message)
    return found


async def list_merchants(connection: Connection) -> list[Merchant]:
    """Give all merchants, oldest first."""
    return await store.merchants(connection)


async def create_token(
    connection: Connection, merchant_id: MerchantId, scopes: Iterable[Scope], label: str
) -> tuple[ApiToken, str]:
    """Make a token; the second value is its text, which is shown once and cannot be had again.

    Raises ``MerchantNotFoundError``, and ``InvalidMerchantError`` for a label that is not 1 to 200 characters.
    """
    token, text = await create_token_once(connection, merchant_id, scopes, label, None)
    return token, text or ""  # without an idempotency key there is no earlier one


async def create_token_once(
    connection: Connection, merchant_id: MerchantId, scopes: Iterable[Scope], label: str, key: str | None
) -> tuple[ApiToken, str | None]:
    """Make a token under an idempotency key; the same key and request again gives that token, and no text.

    Raises as ``create_token``, and ``IdempotencyConflictError`` where the key came with another request.
    """
    await get_merchant(connection, merchant_id)
    wanted, label = frozenset(scopes), rules.clean_name(label, "a token's label")
    token_id = TokenId.new()
    text = rules.new_secret_text(token_id)
    request = rules.request_digest(wanted, label) if key is not None else None
    made = await store.insert_token(
        connection,
        token_id=token_id,
        merchant_id=merchant_id,
        digest=rules.digest_of(text),
        scopes=wanted,
        label=label,
        key=key,
        request=request,
    )
    if made is not None:
        return made, text
    # The unique index has settled it: whoever came first has committed.
    known = await store.token_of_key(connection, merchant_id, key or "")
    if known is None or known[1] != request:
        message = "this Idempotency-Key came with another request before; use a new key for a new request"
        raise IdempotencyConflictError(message)
    return known[0], None


async def authenticate(connection: Connection, text: str) -> Principal:
    """Say who holds this token, by one look-up. Raises ``TokenInvalidError``, which does not tell what is wrong."""
    token_id = rules.token_id_of(text)
    row = await store.token_to_check(connection, token_id) if token_id else None
    known = row["digest"] if row else _NOBODY
    if not rules.same_digest(bytes(known), rules.digest_of(text)) or row is None:
        message = "this API token is not valid; check it, or make a new one"
        raise TokenInvalidError(message)
    scopes = frozenset(Scope(scope) for scope in row["scopes"])
    return Principal(MerchantId(row["merchant_id"]), TokenId(row["id"]), scopes)


async def list_tokens(connection: Connection, merchant_id: MerchantId) -> list[ApiToken]:
    """Give a merchant's tokens, oldest first, revoked ones too."""
    return await store.tokens(connection, merchant_id)


async def revoke_token(connection: Connection, merchant_id: MerchantId, token_id: TokenId) -> None:
    """End a token at once; again is harmless. Raises ``TokenNotFoundError``."""
    if not await store.revoke_token(connection, merchant_id, token_id):
        message = f"this merchant has no token {token_id}"
        raise TokenNotFoundError(message)
