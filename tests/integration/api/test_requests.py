"""The API over real HTTP: what a merchant's programmer would try first."""

from __future__ import annotations

import httpx
import pytest

from strongroom_core.amounts import Amount
from strongroom_core.assets import DEVNET_ETH, USDT
from tests.fixtures.devnet import OTHER_TOKEN, TOKEN
from tests.integration.api.stage import Stage


async def test_an_invoice_is_made_listed_and_cancelled(stage: Stage):
    async with stage.client() as client:
        made = await client.post("/v1/invoices", json={"amount": "25.00", "currency": "EUR", "reference": "order 7"})
        assert made.status_code == 201, made.text
        invoice = made.json()
        assert invoice["status"] == "new"
        assert invoice["asset"] == "BTC"
        assert invoice["amount_due"] == "0.00050250"
        # 25 EUR at 50,000 are 0.0005; half a percent on top is the spread, which is told with the rate that is locked.
        assert (invoice["rate"], invoice["rate_source"], invoice["spread_ppm"]) == ("50000.00000000", "fixed", 5_000)
        assert invoice["rate_at"] <= invoice["created_at"] < invoice["expires_at"]
        assert invoice["payment_uri"].startswith(f"bitcoin:{invoice['address']}?amount=")
        listed = (await client.get("/v1/invoices")).json()
        assert listed["data"][0] == invoice
        cancelled = await client.post(f"/v1/invoices/{invoice['id']}/cancel")
        assert cancelled.status_code == 200
        assert cancelled.json()["status"] == "invalid"


async def test_the_same_idempotency_key_gives_the_same_invoice_and_another_body_a_conflict(stage: Stage):
    async with stage.client() as client:
        body = {"amount": "1.00", "currency": "EUR"}
        headers = {"Idempotency-Key": "order-8"}
        first = await client.post("/v1/invoices", json=body, headers=headers)
        again = await client.post("/v1/invoices", json=body, headers=headers)
        other = await client.post("/v1/invoices", json={**body, "amount": "2.00"}, headers=headers)
        assert first.json()["id"] == again.json()["id"]
        assert (other.status_code, other.json()["code"]) == (409, "idempotency-conflict")


async def test_lists_go_page_by_page_without_gap_or_repetition(stage: Stage):
    async with stage.client() as client:
        made = [
            (await client.post("/v1/invoices", json={"amount": "1.00", "currency": "EUR"})).json()["id"]
            for _ in range(5)
        ]
        seen: list[str] = []
        cursor = None
        while True:
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/v1/invoices", params=query)).json()
            assert len(page["data"]) <= 2
            seen += [item["id"] for item in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == sorted(set(seen), reverse=True)
        assert set(made) <= set(seen)


async def test_a_standing_address_is_the_same_for_the_same_reference(stage: Stage):
    async with stage.client() as client:
        body = {"asset": "BTC", "reference": "customer 5"}
        first = await client.post("/v1/deposit-addresses", json=body)
        again = await client.post("/v1/deposit-addresses", json=body)
        assert first.status_code == 201
        assert first.json()["address"] == again.json()["address"]
        one = await client.get(f"/v1/deposit-addresses/{first.json()['id']}")
        assert one.json() == first.json()
        for asset in ("EUR", "DOGE"):
            refused = await client.post("/v1/deposit-addresses", json={"asset": asset, "reference": "customer 5"})
            assert (refused.status_code, refused.json()["code"]) == (422, "asset-unknown"), refused.text


async def test_balances_name_every_asset(stage: Stage):
    async with stage.client() as client:
        balance, usdt, usdc, _ = (await client.get("/v1/balances")).json()["data"]
    assert balance["available"] == "0.50000000"
    assert (balance["held"], balance["pending"], balance["owed"]) == ("0.00000000",) * 3
    assert (usdt["asset"], usdt["code"], usdt["network"]) == (TOKEN, "USDT", "Ethereum devnet")
    assert (usdt["available"], usdt["available_base_units"]) == ("100.000000", "100000000")
    assert (usdc["asset"], usdc["available"]) == (OTHER_TOKEN, "0.000000000000000000")


async def test_the_merchant_learns_what_its_intents_must_name(stage: Stage):
    async with stage.client() as client:
        me = (await client.get("/v1/merchant")).json()
    assert me["deployment"] == "test"
    assert me["branch"] == stage.shop.merchant.branch
    assert me["assets"][0]["payout_fee"] == "0.00001000"
    held = [stage.settings.asset_settings(item.id) for item in stage.settings.held_assets]
    assert {item["asset"]: (item["deposit_minimum"], item["deposit_fee_ppm"]) for item in me["assets"]} == {
        item.id: (Amount(item.asset, item.minimum_deposit).format(), item.deposit_fee_ppm) for item in held
    }
    assert me["assets"][0]["deposit_minimum"] == "0.00001000"
    terms = {item["asset"]: (item["chain_name"], item["decimals"], item["payout_fee"]) for item in me["assets"][1:]}
    assert terms == {
        TOKEN: ("Ethereum devnet", 6, "0.000500"),
        OTHER_TOKEN: ("Ethereum devnet", 18, "0.001000000000000000"),
        DEVNET_ETH.id: ("Ethereum devnet", 18, "0.000100000000000000"),
    }


async def test_an_invoice_is_paid_in_any_asset_that_is_held(stage: Stage):
    async with stage.client() as client:
        made = (await client.post("/v1/invoices", json={"amount": "9.20", "currency": "EUR", "asset": TOKEN})).json()
        assert (made["asset"], made["asset_id"], made["network"]) == ("USDT", TOKEN, "Ethereum devnet")
        assert made["payment_uri"].endswith(f"@31337/transfer?address={made['address']}&uint256=10050000")
        known = await client.post("/v1/invoices", json={"amount": "1", "currency": "USDT"})
        assert known.json()["asset_id"] == TOKEN
        strange = await client.post("/v1/invoices", json={"amount": "1", "currency": "EUR", "asset": USDT.id})
        assert (strange.status_code, strange.json()["code"]) == (422, "asset-unknown")


async def test_one_deposit_address_takes_every_asset_of_its_network(stage: Stage):
    async with stage.client() as client:
        asked = [{"asset": name, "reference": "customer 6"} for name in ("USDT", OTHER_TOKEN, "ETH", "BTC")]
        made = [(await client.post("/v1/deposit-addresses", json=body)).json() for body in asked]
        listed = (await client.get("/v1/deposit-addresses")).json()["data"]
    assert len({item["address"] for item in made}) == 2
    assert made[0]["address"] == made[1]["address"] == made[2]["address"]
    assert [item["asset"] for item in made] == ["USDT", "USDC", "ETH", "BTC"]
    assert made[0]["assets"] == [TOKEN, OTHER_TOKEN, DEVNET_ETH.id]
    assert made[0]["network"] == "Ethereum devnet"
    assert {item["address"] for item in made} <= {item["address"] for item in listed}


async def test_a_webhook_endpoint_shows_its_secret_once(stage: Stage):
    async with stage.client() as client:
        made = (await client.post("/v1/webhook-endpoints", json={"url": "https://shop.example/hooks"})).json()
        assert made["secret"].startswith("whsec_")
        read = (await client.get(f"/v1/webhook-endpoints/{made['id']}")).json()
        assert read["secret"] is None
        changed = await client.patch(f"/v1/webhook-endpoints/{made['id']}", json={"events": ["invoice.paid"]})
        assert changed.json()["events"] == ["invoice.paid"]
        assert (await client.get(f"/v1/webhook-endpoints/{made['id']}/deliveries")).json()["data"] == []
        assert (await client.delete(f"/v1/webhook-endpoints/{made['id']}")).status_code == 204
        assert (await client.get(f"/v1/webhook-endpoints/{made['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("token", "code"), [("", "token-missing"), ("srk_nonsense", "token-invalid"), ("x" * 500, "token-invalid")]
)
async def test_without_a_good_token_nothing_is_told(stage: Stage, token: str, code: str):
    async with stage.client(token) as client:
        for path in ("/v1/invoices", "/v1/balances", "/v1/merchant", "/v1/payouts/pay_x"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (401, code)
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"amount": 1.5, "currency": "EUR"}, 400, "request-invalid"),
        ({"amount": "1.5"}, 400, "request-invalid"),
        ({"amount": "-1", "currency": "EUR"}, 400, "request-invalid"),
        ({"amount": "1.001", "currency": "EUR"}, 422, "amount-invalid"),
        ({"amount": "1", "currency": "XXX"}, 422, "asset-unknown"),
        ({"amount": "1", "currency": "EUR", "oops": 1}, 400, "request-invalid"),
        ({"amount": "0.00", "currency": "EUR"}, 422, "invoice-amount-out-of-range"),
        ([], 400, "request-invalid"),
    ],
)
async def test_bad_input_gets_a_stable_code(stage: Stage, body: object, status: int, code: str):
    async with stage.client() as client:
        answer = await client.post("/v1/invoices", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["detail"]


async def test_a_request_carries_its_id_and_the_rate_limit(stage: Stage):
    async with stage.client() as client:
        answer = await client.get("/v1/balances", headers={"X-Request-Id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["ratelimit-limit"] == "6000"
    assert int(answer.headers["ratelimit-remaining"]) < 6000
    assert int(answer.headers["ratelimit-reset"]) >= 1


async def test_unknown_paths_methods_and_bodies_are_problems_too(stage: Stage):
    async with stage.client() as client:
        assert (await client.get("/v1/nothing")).json()["code"] == "not-found"
        assert (await client.put("/v1/invoices")).json()["code"] == "method-not-allowed"
        refused = await _answer_to_a_large_body(client)
        assert (refused.status_code, refused.json()["code"]) == (413, "body-too-large")
        assert refused.headers["connection"] == "close"
        broken = await client.post("/v1/invoices", content=b"{", headers={"content-type": "application/json"})
        assert (broken.status_code, broken.json()["code"]) == (400, "request-invalid")


async def test_the_document_is_the_same_at_every_start(stage: Stage):
    """Made-up examples would differ, and tell nobody anything."""
    async with stage.client() as client:
        document = (await client.get("/openapi/openapi.json")).json()
    problem = document["components"]["schemas"]["Problem"]
    assert "examples" not in problem
    assert all("examples" not in field for field in problem["properties"].values())


async def test_the_document_and_its_page_are_served_to_anyone(stage: Stage):
    async with stage.client("") as client:
        document = (await client.get("/openapi/openapi.json")).json()
        assert document["openapi"].startswith("3.1")
        page = await client.get("/docs")
        assert page.status_code == 200
        assert "/v1/payouts" in page.text
        assert "http://" not in page.text.replace("http://127.0.0.1", "").replace("http://www.w3.org", "")


async def test_health_is_told_without_a_token(stage: Stage):
    async with stage.client("") as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        ready = (await client.get("/readyz")).json()
    assert ready["chains"][0]["status"] == "starting"


async def _answer_to_a_large_body(client: httpx.AsyncClient) -> httpx.Response:
    """The server answers and hangs up while we may still be writing, which can cost us the answer: ask again then."""
    for _ in range(20):
        try:
            return await client.post("/v1/invoices", content=b"{" + b" " * 70_000 + b"}")
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            continue
    message = "no answer to a large body, however often it was sent"
    raise AssertionError(message)
