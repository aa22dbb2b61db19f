"""Several assets through the API: paid in, told of when it is the wrong one, paid out; nobody else sees any of it."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.api.dialect import render
from strongroom.deposits.jobs import follow_deposits
from strongroom.infra.clock import SystemClock
from strongroom.infra.database import make_pool
from strongroom.infra.outbox import Dispatcher
from strongroom.invoices import jobs as invoices
from strongroom.webhooks.jobs import make_sink
from strongroom_core.amounts import Amount
from strongroom_core.assets import DEVNET, DEVNET_ETH, REGTEST_BTC
from tests.fixtures.devnet import OTHER_TOKEN, TOKEN, USDT
from tests.integration.api.objects import payout_body
from tests.integration.api.stage import Stage
from tests.integration.deposits.feed import Feed, transfers

pytestmark = pytest.mark.asyncio(loop_scope="module")
SOMEBODY = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


async def arrive(stage: Stage, address: str, amount: int, asset: str) -> None:
    """See a payment on the chain, three blocks deep, and do what the worker's loops would."""
    (script,) = stage.database.execute("SELECT script FROM wallet_address WHERE address = %s", address)[0]
    assert isinstance(script, bytes)
    feed = Feed.start(stage.database.dsn(), chain=DEVNET.id)
    feed.connect(transfers((script, amount, asset)))
    feed.mine(20)
    feed.status("ok")
    feed.close()
    dispatcher = Dispatcher()
    dispatcher.into(invoices.deposit_sink(stage.settings, SystemClock()))
    dispatcher.into(make_sink(render))
    async with make_pool(stage.settings.dsn("worker"), size=2) as pool:
        while await follow_deposits(pool, stage.settings.chain(DEVNET.id), SystemClock()):
            pass
        while await dispatcher.run_once(pool):
            pass


async def test_what_comes_in_the_wrong_token_is_told_to_its_merchant_and_nobody_else(stage: Stage) -> None:
    async with stage.client() as client, stage.client(stage.other.token) as other:
        made = (await client.post("/v1/invoices", json={"amount": "10", "currency": "USDT"})).json()
        await arrive(stage, made["address"], 5 * 10**18, OTHER_TOKEN)
        shown = (await client.get(f"/v1/invoices/{made['id']}")).json()
        assert (shown["status"], shown["exception"], shown["amount_paid"]) == ("new", "wrong-asset", "0.000000")
        (payment,) = shown["payments"]
        assert (payment["asset"], payment["asset_id"], payment["amount"]) == (
            "USDC",
            OTHER_TOKEN,
            "5.000000000000000000",
        )
        deposit = (await client.get(f"/v1/deposits/{payment['deposit_id']}")).json()
        assert (deposit["exception"], deposit["state"], deposit["network"]) == (
            "wrong-asset",
            "credited",
            "Ethereum devnet",
        )
        balances = {item["asset"]: item["available"] for item in (await client.get("/v1/balances")).json()["data"]}
        assert balances[OTHER_TOKEN] == "5.000000000000000000"
        assert (await other.get(f"/v1/deposits/{payment['deposit_id']}")).status_code == 404
        assert (await other.get(f"/v1/invoices/{made['id']}")).status_code == 404
        theirs = {item["asset"]: item["available"] for item in (await other.get("/v1/balances")).json()["data"]}
        assert theirs[OTHER_TOKEN] == "0.000000000000000000"


async def test_an_invoice_in_coin_is_paid_to_the_last_wei(stage: Stage) -> None:
    async with stage.client() as client:
        body = {"amount": "0.100000000000000001", "currency": "ETH"}
        made = (await client.post("/v1/invoices", json=body)).json()
        await arrive(stage, made["address"], int(made["amount_due_base_units"]), DEVNET_ETH.id)
        shown = (await client.get(f"/v1/invoices/{made['id']}")).json()
    assert (shown["status"], shown["exception"], shown["amount_paid"]) == ("paid", "none", "0.100000000000000001")


async def test_a_payout_in_a_token_holds_that_token_and_says_where_it_goes(stage: Stage) -> None:
    terms: dict[str, Any] = {
        "amount": Amount(USDT, 2_000_000),
        "fee_ceiling": Amount(USDT, 1_000),
        "destination": SOMEBODY,
    }
    async with stage.client() as client:
        before = {item["asset"]: item for item in (await client.get("/v1/balances")).json()["data"]}
        answer = await client.post("/v1/payouts", json=payout_body(stage, stage.shop, **terms))
        assert answer.status_code == 201, answer.text
        made = answer.json()
        after = {item["asset"]: item for item in (await client.get("/v1/balances")).json()["data"]}
    assert (made["asset"], made["asset_id"], made["network"]) == ("USDT", TOKEN, "Ethereum devnet")
    assert (made["amount"], made["fee"]) == ("2.000000", "0.000500")
    spent = int(before[TOKEN]["available_base_units"]) - int(after[TOKEN]["available_base_units"])
    assert spent == int(after[TOKEN]["held_base_units"]) - int(before[TOKEN]["held_base_units"]) == 2_000_500
    assert after[REGTEST_BTC.id] == before[REGTEST_BTC.id]
