"""API keys: made with no more than the caller may do, shown once, revoked for good."""

from __future__ import annotations

import asyncio

from tests.integration.api.stage import Stage


async def test_a_key_is_shown_once_and_does_what_it_may_and_no_more(stage: Stage):
    async with stage.client() as client:
        made = (await client.post("/v1/keys", json={"scopes": ["read", "keys"], "label": "auditor"})).json()
        assert made["token"].startswith("srk_")
        listed = (await client.get("/v1/keys")).json()["data"][0]
        assert (listed["id"], listed["token"], listed["scopes"]) == (made["id"], None, ["keys", "read"])
    async with stage.client(made["token"]) as limited:
        assert (await limited.get("/v1/balances")).status_code == 200
        refused = await limited.post("/v1/invoices", json={"amount": "1.00", "currency": "EUR"})
        assert (refused.status_code, refused.json()["code"]) == (403, "scope-missing")
        more = await limited.post("/v1/keys", json={"scopes": ["payouts"], "label": "more than I have"})
        assert (more.status_code, more.json()["code"]) == (403, "scope-missing")


async def test_a_revoked_key_is_refused_and_stays_on_record(stage: Stage):
    async with stage.client() as client:
        made = (await client.post("/v1/keys", json={"scopes": ["read"], "label": "short-lived"})).json()
        assert (await client.delete(f"/v1/keys/{made['id']}")).status_code == 204
        assert (await client.delete(f"/v1/keys/{made['id']}")).status_code == 204
        (kept,) = [item for item in (await client.get("/v1/keys")).json()["data"] if item["id"] == made["id"]]
        assert kept["revoked_at"]
    await asyncio.sleep(2.1)
    async with stage.client(made["token"]) as revoked:
        assert (await revoked.get("/v1/balances")).json()["code"] == "token-invalid"


async def test_a_repeated_request_gives_the_same_key_without_its_text_and_another_one_a_conflict(stage: Stage):
    body = {"scopes": ["read", "invoices"], "label": "till 7"}
    headers = {"Idempotency-Key": "key-till-7"}
    async with stage.client() as client:
        answers = await asyncio.gather(*(client.post("/v1/keys", json=body, headers=headers) for _ in range(6)))
        made = [answer.json() for answer in answers]
        assert {answer.status_code for answer in answers} == {201}
        assert len({item["id"] for item in made}) == 1
        (text,) = [item["token"] for item in made if item["token"] is not None]
        turned = {"scopes": ["invoices", "read"], "label": "till 7"}
        again = await client.post("/v1/keys", json=turned, headers=headers)
        assert (again.status_code, again.json()["id"], again.json()["token"]) == (201, made[0]["id"], None)
        for change in ({"label": "till 8"}, {"scopes": ["read"]}):
            other = await client.post("/v1/keys", json=body | change, headers=headers)
            assert (other.status_code, other.json()["code"]) == (409, "idempotency-conflict")
            assert "token" not in other.json()
    async with stage.client(text) as client:
        assert (await client.get("/v1/balances")).status_code == 200


async def test_who_lost_the_answer_revokes_that_key_and_a_repeated_request_does_not_bring_it_back(stage: Stage):
    body = {"scopes": ["read"], "label": "lost"}
    async with stage.client() as client:
        lost = (await client.post("/v1/keys", json=body, headers={"Idempotency-Key": "lost"})).json()
        assert (await client.delete(f"/v1/keys/{lost['id']}")).status_code == 204
        again = (await client.post("/v1/keys", json=body, headers={"Idempotency-Key": "lost"})).json()
        assert (again["id"], again["token"]) == (lost["id"], None)
        assert again["revoked_at"]
        fresh = (await client.post("/v1/keys", json=body, headers={"Idempotency-Key": "lost-2"})).json()
        assert fresh["id"] != lost["id"]


async def test_an_idempotency_key_is_its_merchants_own(stage: Stage):
    body, headers = {"scopes": ["read"], "label": "shared word"}, {"Idempotency-Key": "order-1"}
    made = []
    for token in (stage.shop.token, stage.other.token):
        async with stage.client(token) as client:
            made.append((await client.post("/v1/keys", json=body, headers=headers)).json())
    assert made[0]["id"] != made[1]["id"]
    assert all(item["token"] for item in made)
