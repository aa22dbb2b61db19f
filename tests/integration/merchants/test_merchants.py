"""Merchants and tokens on a real database, as the API's own role."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from strongroom.infra.database import Connection, connect
from strongroom.merchants import service
from strongroom.merchants.errors import MerchantNotFoundError, TokenInvalidError, TokenNotFoundError
from strongroom.merchants.model import Scope
from strongroom_core.ids import MerchantId, TokenId
from tests.fixtures.postgres import Database


@pytest.fixture
async def api(pg: Database) -> AsyncIterator[Connection]:
    async with await connect(pg.dsn("api")) as connection:
        yield connection


async def test_branches_begin_at_two_and_are_never_shared(api: Connection) -> None:
    made = [await service.create_merchant(api, f"M{number}") for number in range(3)]
    assert [merchant.branch for merchant in made] == [2, 3, 4]
    assert await service.list_merchants(api) == made
    assert await service.get_merchant(api, made[1].id) == made[1]


async def test_a_rolled_back_merchant_never_gives_its_branch_to_two(api: Connection) -> None:
    first = await service.create_merchant(api, "Gone")
    await api.rollback()
    second = await service.create_merchant(api, "Stays")
    assert second.branch > first.branch


async def test_an_unknown_merchant_is_not_found(api: Connection) -> None:
    with pytest.raises(MerchantNotFoundError):
        await service.get_merchant(api, MerchantId.new())
    with pytest.raises(MerchantNotFoundError):
        await service.create_token(api, MerchantId.new(), [Scope.READ], "x")


async def test_a_token_says_who_is_asking_and_only_its_hash_is_kept(api: Connection) -> None:
    merchant = await service.create_merchant(api, "M")
    token, text = await service.create_token(api, merchant.id, [Scope.READ, Scope.INVOICES], "till")
    principal = await service.authenticate(api, text)
    assert (principal.merchant_id, principal.token_id) == (merchant.id, token.id)
    assert principal.scopes == {Scope.READ, Scope.INVOICES}
    rows = await (await api.execute("SELECT * FROM api_token")).fetchall()
    assert text.rpartition("_")[2] not in repr(rows)
    assert text[-43:] not in repr(rows)


async def test_a_wrong_secret_a_wrong_id_and_rubbish_are_refused_alike(api: Connection) -> None:
    merchant = await service.create_merchant(api, "M")
    token, text = await service.create_token(api, merchant.id, [Scope.READ], "till")
    wrong_secret = text[:-1] + ("A" if text[-1] != "A" else "B")
    wrong_id = text.replace(token.id[4:], TokenId.new()[4:])
    messages = set()
    for bad in (wrong_secret, wrong_id, "", "Bearer", "\ud800", text + "\x00"):
        with pytest.raises(TokenInvalidError) as refused:
            await service.authenticate(api, bad)
        messages.add(refused.value.message)
    assert len(messages) == 1
    assert text[-43:] not in messages.pop()


async def test_a_revoked_token_ends_at_once_and_only_its_owner_can_revoke_it(api: Connection) -> None:
    merchant, other = await service.create_merchant(api, "M"), await service.create_merchant(api, "O")
    token, text = await service.create_token(api, merchant.id, [Scope.READ], "till")
    with pytest.raises(TokenNotFoundError):
        await service.revoke_token(api, other.id, token.id)
    await service.authenticate(api, text)
    await service.revoke_token(api, merchant.id, token.id)
    await service.revoke_token(api, merchant.id, token.id)
    with pytest.raises(TokenInvalidError):
        await service.authenticate(api, text)
    (listed,) = await service.list_tokens(api, merchant.id)
    assert listed.revoked_at is not None
    assert await service.list_tokens(api, other.id) == []


async def test_authentication_is_one_look_up_by_primary_key(api: Connection, pg: Database) -> None:
    merchant = await service.create_merchant(api, "M")
    _, text = await service.create_token(api, merchant.id, [Scope.READ], "till")
    await api.commit()
    pg.execute(
        "INSERT INTO api_token SELECT 'tok_' || n, merchant_id, digest, scopes, label"
        " FROM api_token, generate_series(1, 5000) AS n"
    )
    pg.execute("ANALYZE api_token")
    plan = pg.execute("EXPLAIN SELECT digest FROM api_token WHERE id = 'tok_7' AND revoked_at IS NULL")
    assert "api_token_pkey" in repr(plan)
    assert (await service.authenticate(api, text)).merchant_id == merchant.id


async def test_no_role_can_swap_the_secret_or_scopes_of_a_token(api: Connection, pg: Database) -> None:
    for role in ("api", "worker", "treasury", "watcher", "auditor"):
        async with await connect(pg.dsn(role)) as connection:
            for statement in (
                "UPDATE api_token SET digest = sha256('x')",
                "UPDATE api_token SET scopes = '{payouts}'",
                "UPDATE merchant SET branch = DEFAULT",
                "DELETE FROM api_token",
            ):
                with pytest.raises(Exception, match="permission denied"):
                    await connection.execute(statement.encode())
                await connection.rollback()
    async with await connect(pg.dsn("auditor")) as connection:
        with pytest.raises(Exception, match="permission denied"):
            await connection.execute("SELECT digest FROM api_token")
