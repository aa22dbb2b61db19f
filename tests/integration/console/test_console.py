"""The console over real HTTP: sessions, whose forms it takes, and that nobody sees another merchant's objects."""

from __future__ import annotations

import hashlib
import itertools
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg
import pytest

from strongroom.infra.database import make_pool, transaction
from strongroom.merchants import service as merchants
from strongroom.merchants.model import Merchant, Scope
from tests.fixtures.postgres import Database
from tests.integration.api.objects import make_objects
from tests.integration.api.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
LISTS = ("/console", "/console/invoices", "/console/deposits", "/console/payouts", "/console/webhooks")
COOKIE = "strongroom_console"
_hosts = itertools.count(2)
LOGINS_PER_MINUTE = 10


@asynccontextmanager
async def browser(stage: Stage, token: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A client with an address of its own, that sends our origin; logged in where a token is given."""
    transport = httpx.AsyncHTTPTransport(local_address=f"127.0.0.{next(_hosts)}")
    headers = {"Origin": stage.base_url}
    async with httpx.AsyncClient(base_url=stage.base_url, transport=transport, headers=headers, timeout=20) as client:
        if token is not None:
            answer = await client.post("/console/login", data={"token": token})
            assert answer.status_code == 303, answer.text
            assert answer.headers["location"] == "/console"
        yield client


async def make_token(stage: Stage, merchant: Merchant, *scopes: Scope) -> tuple[str, str]:
    async with make_pool(stage.settings.dsn("api"), size=1) as pool, transaction(pool) as connection:
        token, text = await merchants.create_token(connection, merchant.id, scopes, "console test")
    return token.id, text


async def revoke(stage: Stage, merchant: Merchant, token_id: Any) -> None:
    async with make_pool(stage.settings.dsn("api"), size=1) as pool, transaction(pool) as connection:
        await merchants.revoke_token(connection, merchant.id, token_id)


def sessions(database: Database) -> int:
    ((count,),) = database.execute("SELECT count(*) FROM console_session")
    return int(str(count))


async def test_whoever_is_not_logged_in_is_sent_to_the_login(stage: Stage):
    async with browser(stage) as client:
        ids = ("invoices/inv_", "deposits/dep_", "payouts/pay_", "webhooks/dlv_")
        details = [f"/console/{place}01m81ab1hgwdg3hdrdz6p2w6bj" for place in ids]
        for path in (*LISTS, *details):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers.get("location")) == (303, "/console/login"), path
        answer = await client.post("/console/webhooks/dlv_01m81ab1hgwdg3hdrdz6p2w6bj/redeliver")
        assert answer.headers["location"] == "/console/login"
        client.cookies.set(COOKIE, "made-up", path="/console")
        assert (await client.get("/console")).status_code == 303


async def test_the_session_is_a_cookie_that_scripts_and_other_sites_cannot_use(stage: Stage):
    before = sessions(stage.database)
    async with browser(stage) as client:
        answer = await client.post("/console/login", data={"token": f"  {stage.shop.token}\n"})
        cookie = answer.headers["set-cookie"]
        secret = client.cookies[COOKIE]
    lowered = cookie.lower()
    assert "httponly" in lowered
    assert "samesite=strict" in lowered
    assert "path=/console" in lowered
    assert "secure" not in lowered, "this deployment is reached by http"
    assert len(secret) >= 43
    assert stage.shop.token not in cookie
    assert sessions(stage.database) == before + 1
    digest = hashlib.sha256(secret.encode()).digest()
    assert stage.database.execute("SELECT 1 FROM console_session WHERE digest = %s", digest)
    assert secret not in str(stage.database.execute("SELECT * FROM console_session"))
    assert secret not in stage.log.read_text(encoding="utf-8")
    assert stage.shop.token not in stage.log.read_text(encoding="utf-8")


async def test_every_page_keeps_to_itself(stage: Stage):
    async with browser(stage, stage.shop.token) as client:
        for path in (*LISTS, "/console/login", "/console/nothing/here"):
            answer = await client.get(path)
            assert answer.headers["content-security-policy"] == POLICY
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=", answer.text), path


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}],
)
async def test_a_form_of_another_site_is_refused_and_changes_nothing(stage: Stage, headers: dict[str, str]):
    async with browser(stage, stage.shop.token) as client:
        before = sessions(stage.database)
        for path in ("/console/logout", "/console/login", "/console/webhooks/dlv_01m81ab1hgwdg3hdrdz6p2w6bj/redeliver"):
            answer = await client.post(path, data={"token": stage.shop.token}, headers=headers)
            assert answer.status_code == 403, path
        assert sessions(stage.database) == before
        assert (await client.get("/console")).status_code == 200
    async with httpx.AsyncClient(base_url=stage.base_url, timeout=20) as bare:
        assert (await bare.post("/console/login", data={"token": stage.shop.token})).status_code == 403


async def test_a_wrong_token_and_one_that_may_not_read_are_refused(stage: Stage):
    _, writer = await make_token(stage, stage.shop.merchant, Scope.INVOICES)
    async with browser(stage) as client:
        for text in ("", "srk_wrong", "x" * 10_000, writer, "srk_\x00"):
            answer = await client.post("/console/login", data={"token": text})
            assert answer.status_code == 401
            assert 'role="alert"' in answer.text
            assert COOKIE not in client.cookies


async def test_too_many_attempts_from_one_address_are_refused_for_a_while(stage: Stage):
    async with browser(stage) as client:

        async def try_again(token: str) -> int:
            return (await client.post("/console/login", data={"token": token})).status_code

        begun = time.monotonic()
        codes = [await try_again("srk_wrong") for _ in range(12)]
        while codes[-1] != 429:  # on a machine so slow that attempts were given back meanwhile
            codes.append(await try_again("srk_wrong"))
        given_back = int((time.monotonic() - begun) * LOGINS_PER_MINUTE / 60) + 1
        assert codes[:LOGINS_PER_MINUTE] == [401] * LOGINS_PER_MINUTE
        assert set(codes) == {401, 429}
        assert codes.count(401) <= LOGINS_PER_MINUTE + given_back
        # As right as it may be: where one attempt was just given back, the next one is refused.
        assert 429 in [await try_again(stage.shop.token) for _ in range(3)]
    async with browser(stage, stage.shop.token) as elsewhere:
        assert (await elsewhere.get("/console")).status_code == 200


async def test_logging_out_ends_the_session_for_whoever_kept_the_cookie(stage: Stage):
    async with browser(stage, stage.shop.token) as client:
        kept = client.cookies[COOKIE]
        assert (await client.post("/console/logout")).headers["location"] == "/console/login"
        client.cookies.set(COOKIE, kept, path="/console")
        assert (await client.get("/console")).status_code == 303


async def test_a_session_ends_with_its_token_and_with_its_time(stage: Stage):
    token_id, text = await make_token(stage, stage.shop.merchant, Scope.READ)
    async with browser(stage, text) as client:
        assert (await client.get("/console")).status_code == 200
        await revoke(stage, stage.shop.merchant, token_id)
        assert (await client.get("/console")).status_code == 303
    async with browser(stage, stage.shop.token) as client:
        digest = hashlib.sha256(client.cookies[COOKIE].encode()).digest()
        past = "UPDATE console_session SET created_at = now() - interval '2 h', expires_at = now() WHERE digest = %s"
        stage.database.execute(past, digest)
        assert (await client.get("/console")).status_code == 303


async def test_the_objects_of_another_merchant_are_not_there(stage: Stage):
    objects = await make_objects(stage)
    places = {
        "invoices": objects.invoice_id,
        "deposits": objects.deposit_id,
        "payouts": objects.payout_id,
        "webhooks": objects.delivery_id,
    }
    again = f"/console/webhooks/{objects.delivery_id}/redeliver"
    for seller, expected in ((stage.shop, 200), (stage.other, 404)):
        async with browser(stage, seller.token) as client:
            for place, name in places.items():
                answer = await client.get(f"/console/{place}/{name}")
                assert answer.status_code == expected, place
                assert ("There is nothing here" in answer.text) == (expected == 404)
                listed = (await client.get(f"/console/{place}")).text
                assert (name in listed) == (expected == 200), place
            overview = (await client.get("/console")).text
            assert (objects.invoice_id in overview) == (expected == 200)
            assert (await client.post(again)).status_code == (303 if expected == 200 else 404)


async def test_to_deliver_again_needs_the_scope(stage: Stage):
    _, reader = await make_token(stage, stage.shop.merchant, Scope.READ)
    async with browser(stage, reader) as client:
        answer = await client.post("/console/webhooks/dlv_01m81ab1hgwdg3hdrdz6p2w6bj/redeliver")
        assert answer.status_code == 403
        assert "webhooks" in answer.text
    async with browser(stage, stage.shop.token) as client:
        answer = await client.post("/console/webhooks/dlv_01m81ab1hgwdg3hdrdz6p2w6bj/redeliver")
        assert answer.status_code == 404


async def test_lists_go_page_by_page_and_show_everything_once(stage: Stage):
    async with stage.client(stage.other.token) as api:
        body = {"amount": "0.01", "currency": "BTC", "reference": "<b>bold</b>"}
        made = [(await api.post("/v1/invoices", json=body)).json()["id"] for _ in range(55)]
    shown: list[str] = []
    async with browser(stage, stage.other.token) as client:
        path = "/console/invoices?status=new"
        while path:
            text = (await client.get(path)).text
            assert "<b>bold</b>" not in text
            shown += re.findall(r'href="/console/invoices/(inv_[0-9a-z]{26})"', text)
            following = re.search(r'href="([^"]+)" rel="next"', text)
            path = following.group(1).replace("&amp;", "&") if following else ""
        assert shown == sorted(made, reverse=True)
        for wrong in ("?cursor=x", "?cursor='", "?status=strange"):
            assert (await client.get(f"/console/invoices{wrong}")).status_code == 404
        paid = await client.get("/console/invoices?status=paid")
        assert "No such invoice" in paid.text


async def test_balances_are_the_books(stage: Stage):
    async with browser(stage, stage.other.token) as client:
        assert "0.5 BTC" in (await client.get("/console")).text


async def test_the_roles_can_do_no_more_than_they_need(stage: Stage):
    refused = psycopg.errors.InsufficientPrivilege
    for role, statement in (
        ("api", "UPDATE console_session SET expires_at = now() + interval '1 year'"),
        ("auditor", "SELECT digest FROM console_session"),
        ("worker", "SELECT 1 FROM console_session"),
        ("watcher", "SELECT 1 FROM console_session"),
        ("treasury", "SELECT 1 FROM console_session"),
    ):
        with psycopg.connect(stage.database.dsn(role)) as connection, pytest.raises(refused):
            connection.execute(statement.encode())
    with psycopg.connect(stage.database.dsn("auditor")) as connection:
        connection.execute("SELECT merchant_id, token_id, created_at, expires_at FROM console_session")
