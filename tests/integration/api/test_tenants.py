"""A token reaches its own merchant's objects only, on every route of the document."""

from __future__ import annotations

from typing import Any

from strongroom.infra.database import make_pool, transaction
from strongroom.merchants.model import Scope
from strongroom.merchants.service import create_token
from tests.integration.api.objects import make_objects, payout_body
from tests.integration.api.stage import Stage


def _operations(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (method, path)
        for path, item in document["paths"].items()
        if path.startswith("/v1")
        for method in item
        if method in {"get", "post", "patch", "delete", "put"}
    ]


async def test_another_merchants_token_gets_404_on_every_route_that_names_an_object(stage: Stage):
    objects = await make_objects(stage)
    async with stage.client(stage.other.token) as other, stage.client() as own:
        document = (await own.get("/openapi/openapi.json")).json()
        named = [(method, path) for method, path in _operations(document) if "{" in path]
        assert len(named) >= 11
        for method, path in named:
            body = {"enabled": True} if method == "patch" else None
            answer = await other.request(method, objects.path(path), json=body)
            assert answer.status_code == 404, (method, path, answer.text)
        for path in {path for method, path in named if method == "get"}:
            answer = await own.get(objects.path(path))
            assert answer.status_code == 200, (path, answer.text)


async def test_another_merchants_lists_are_empty(stage: Stage):
    objects = await make_objects(stage)
    async with stage.client(stage.other.token) as other, stage.client() as own:
        document = (await own.get("/openapi/openapi.json")).json()
        found: set[str] = set()
        lists = [path for method, path in _operations(document) if method == "get" and "{" not in path]
        for path in lists:
            answers = [await client.get(path) for client in (other, own)]
            assert [answer.status_code for answer in answers] == [200, 200], path
            for value in vars(objects).values():
                assert value not in answers[0].text, path
            found |= {value for value in vars(objects).values() if value in answers[1].text}
        assert found >= set(vars(objects).values()) - {objects.delivery_id}  # deliveries are listed by their endpoint


async def test_a_payout_for_another_merchant_is_refused(stage: Stage):
    async with stage.client(stage.other.token) as other:
        answer = await other.post("/v1/payouts", json=payout_body(stage, stage.shop))
    assert (answer.status_code, answer.json()["code"]) == (422, "payout-intent-invalid")


async def test_every_route_of_v1_refuses_a_request_without_token(stage: Stage):
    async with stage.client("") as client:
        document = (await client.get("/openapi/openapi.json")).json()
        for method, path in _operations(document):
            answer = await client.request(method, path.replace("{", "").replace("}", ""))
            assert answer.status_code == 401, (method, path)


async def test_a_token_without_the_scope_is_refused_on_every_route_that_changes_something(stage: Stage):
    token = await _read_only(stage)
    async with stage.client(token) as client:
        document = (await client.get("/openapi/openapi.json")).json()
        for method, path in _operations(document):
            answer = await client.request(method, path.replace("{", "").replace("}", ""), json={})
            if method == "get":
                assert answer.status_code in {200, 404}, (method, path, answer.text)
            else:
                assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing"), (method, path)


async def _read_only(stage: Stage) -> str:
    async with make_pool(stage.settings.dsn("api"), size=1) as pool, transaction(pool) as connection:
        _, token = await create_token(connection, stage.shop.merchant.id, [Scope.READ], "reader")
    return token
