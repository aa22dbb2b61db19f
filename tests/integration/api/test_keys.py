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
