"""API keys (tokens) of the caller: made with no more than the caller's own scopes, listed, revoked."""

from __future__ import annotations

from litestar import Router, delete, get, post

from strongroom.api import schemas, views
from strongroom.api.access import Caller
from strongroom.api.idempotency import IdempotencyKey
from strongroom.api.paging import Cursor, Limit
from strongroom.api.problems import REFUSALS
from strongroom.api.state import Services
from strongroom.infra.database import transaction
from strongroom.merchants import service
from strongroom.merchants.model import Scope
from strongroom_core.ids import TokenId


@post("/", opt={"scope": "keys"}, summary="Make an API key", responses=REFUSALS)
async def create_key(
    data: schemas.NewKey, caller: Caller, services: Services, idempotency_key: IdempotencyKey = None
) -> schemas.Key:
    """Make a key; ``token`` is its text, shown this once. A key gives no scope that the calling key lacks.

    The same Idempotency-Key and request again gives the same key with ``token`` null: nobody can have the text again.
    Where the first answer was lost, revoke that key and make another under a new Idempotency-Key.
    """
    scopes = [Scope(name) for name in data.scopes]
    for scope in scopes:
        caller.require(scope)
    async with transaction(services.pool) as connection:
        made, text = await service.create_token_once(
            connection, caller.merchant_id, scopes, data.label, idempotency_key
        )
    return views.key(made, text)


@get("/", opt={"scope": "read"}, summary="List API keys", responses=REFUSALS)
async def list_keys(caller: Caller, services: Services, cursor: Cursor = None, limit: Limit = 50) -> schemas.KeyPage:
    """Give keys, newest first, revoked ones too; never their text."""
    async with transaction(services.pool) as connection:
        found = await service.list_tokens(connection, caller.merchant_id)
    newest = sorted(found, key=lambda token: token.id, reverse=True)
    rest = [token for token in newest if cursor is None or token.id < cursor]
    shown = rest[:limit]
    following = shown[-1].id if len(rest) > limit else None
    return schemas.KeyPage(data=[views.key(item) for item in shown], next_cursor=following)


@delete("/{key_id:str}", opt={"scope": "keys"}, summary="Revoke an API key", responses=REFUSALS)
async def revoke_key(key_id: str, caller: Caller, services: Services) -> None:
    """End a key; every process refuses it within two seconds. Again is harmless."""
    async with transaction(services.pool) as connection:
        await service.revoke_token(connection, caller.merchant_id, TokenId(key_id))


router = Router("/keys", route_handlers=[create_key, list_keys, revoke_key], tags=["Keys"])
