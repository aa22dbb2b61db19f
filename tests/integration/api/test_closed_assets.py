"""A closed asset over HTTP: balances and terms are shown, nothing new is taken in it."""

from __future__ import annotations

from pathlib import Path

from tests.fixtures.devnet import TOKEN, coin, devnet, token
from tests.fixtures.postgres import Database
from tests.integration.api.stage import open_stage


async def test_nothing_new_is_taken_in_a_closed_asset_and_what_is_there_is_shown(pg: Database, tmp_path: Path) -> None:
    chain = devnet(assets=(token(closed=True), coin()))
    async with open_stage(pg, tmp_path, more=(chain,)) as stage, stage.client() as shop:
        for path, body in (
            ("/v1/invoices", {"amount": "5", "currency": "EUR", "asset": TOKEN}),
            ("/v1/deposit-addresses", {"asset": TOKEN, "reference": "customer 1"}),
        ):
            answer = await shop.post(path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, "asset-unknown"), answer.text
        address = await shop.post("/v1/deposit-addresses", json={"asset": "ETH", "reference": "customer 1"})
        assert address.status_code == 201, address.text
        assert TOKEN not in address.text
        terms = {item["asset"]: item["closed"] for item in (await shop.get("/v1/merchant")).json()["assets"]}
        assert (terms[TOKEN], terms[coin().id]) == (True, False)
        balances = (await shop.get("/v1/balances")).json()
        assert TOKEN in str(balances)
