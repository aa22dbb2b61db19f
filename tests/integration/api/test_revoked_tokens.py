"""A revoked token ends soon, also in a process that has just let it in."""

from __future__ import annotations

import asyncio

from strongroom.api.state import TOKEN_MEMORY_SECONDS
from strongroom.infra.database import make_pool, transaction
from strongroom.merchants import service as merchants
from strongroom.merchants.model import Scope
from tests.integration.api.stage import Stage


async def test_a_revoked_token_is_refused_once_the_process_has_forgotten_it(stage: Stage):
    shop = stage.shop.merchant
    async with make_pool(stage.settings.dsn("api"), size=1) as pool:
        async with transaction(pool) as connection:
            token, text = await merchants.create_token(connection, shop.id, [Scope.READ], "to be lost")
        async with stage.client(text) as client:
            assert (await client.get("/v1/merchant")).status_code == 200
            async with transaction(pool) as connection:
                await merchants.revoke_token(connection, shop.id, token.id)
            await asyncio.sleep(TOKEN_MEMORY_SECONDS + 0.5)
            refused = await client.get("/v1/merchant")
    assert (refused.status_code, refused.json()["code"]) == (401, "token-invalid")
