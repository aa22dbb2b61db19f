"""One object of every kind, for tests that need them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from strongroom.api.dialect import render
from strongroom.deposits.jobs import follow_deposits
from strongroom.infra.clock import SystemClock
from strongroom.infra.database import make_pool
from strongroom.infra.outbox import Dispatcher
from strongroom.webhooks.jobs import make_sink
from strongroom_client.keys import MerchantKey
from strongroom_client.signing import make_intent, sign_intent, signed_to_json
from strongroom_core.amounts import Amount
from strongroom_core.assets import REGTEST_BTC
from tests.fixtures.platform import Seller
from tests.integration.api.stage import Stage
from tests.integration.deposits.feed import Feed, payment

DESTINATION = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


@dataclass(frozen=True)
class Objects:
    """Ids of one object of each kind, all the shop's."""

    invoice_id: str
    address_id: str
    deposit_id: str
    payout_id: str
    endpoint_id: str
    delivery_id: str
    key_id: str

    def path(self, template: str) -> str:
        """Fill a path template of the OpenAPI document."""
        return template.format(**vars(self))


def payout_body(stage: Stage, seller: Seller, sats: int = 100_000, **changes: Any) -> dict[str, str]:
    """A signed payout as the API takes it."""
    values: dict[str, Any] = {
        "deployment": stage.settings.deployment,
        "merchant": seller.merchant.id,
        "amount": Amount(REGTEST_BTC, sats),
        "destination": DESTINATION,
        "fee_ceiling": Amount(REGTEST_BTC, 10_000),
    }
    return dict(signed_to_json(sign_intent(make_intent(**{**values, **changes}), MerchantKey.generate())))


async def make_objects(stage: Stage) -> Objects:
    """Make one of each through the API, and let the worker's own code make deposit and delivery."""
    async with stage.client() as client:
        invoice = await _made(client, "/v1/invoices", {"amount": "10.00", "currency": "EUR"})
        address = await _made(client, "/v1/deposit-addresses", {"asset": "BTC", "reference": "customer"})
        endpoint = await _made(client, "/v1/webhook-endpoints", {"url": "http://127.0.0.1:9/hooks"})
        key = await _made(client, "/v1/keys", {"scopes": ["read"], "label": "reader"})
        payout = await _made(client, "/v1/payouts", payout_body(stage, stage.shop))
        await _work(stage, address["id"])
        deposits = (await client.get("/v1/deposits")).json()["data"]
        deliveries = (await client.get(f"/v1/webhook-endpoints/{endpoint['id']}/deliveries")).json()["data"]
    return Objects(
        invoice["id"], address["id"], deposits[0]["id"], payout["id"], endpoint["id"], deliveries[0]["id"], key["id"]
    )


async def _made(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def _work(stage: Stage, address_id: str) -> None:
    """See a payment on the chain, and do what the worker's loops would."""
    (script,) = stage.database.execute("SELECT script FROM wallet_address WHERE id = %s", address_id)[0]
    assert isinstance(script, bytes)
    feed = Feed.start(stage.database.dsn())
    feed.connect(payment((script, 70_000)))
    feed.close()
    dispatcher = Dispatcher()
    dispatcher.into(make_sink(render))
    async with make_pool(stage.settings.dsn("worker"), size=2) as pool:
        while await follow_deposits(pool, stage.settings.chains[0], SystemClock()):
            pass
        while await dispatcher.run_once(pool):
            pass
