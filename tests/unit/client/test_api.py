"""Every call goes to the documented route with the documented body."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from strongroom_client.api import Api
from strongroom_client.errors import ConflictError, ProtocolError
from strongroom_client.keys import MerchantKey
from strongroom_client.signing import make_intent, sign_intent
from strongroom_client.transport import Transport
from strongroom_core.amounts import Amount
from strongroom_core.assets import REGTEST_BTC
from strongroom_core.errors import InvalidValueError
from strongroom_core.intents import InvalidIntentError, PaymentIntent, SignedIntent
from tests.unit.client.scripted_server import Answer, ScriptedServer

KEY = MerchantKey.from_seed(bytes(32))


@pytest.fixture
def api(server: ScriptedServer) -> Iterator[Api]:
    with Transport(server.url, "token", sleep=lambda _: None) as transport:
        yield Api(transport)


def intent() -> PaymentIntent:
    return make_intent(
        deployment="demo",
        merchant="mer_01jd0000000000000000000000",
        amount=Amount(REGTEST_BTC, 150_000),
        destination="bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
        fee_ceiling=Amount(REGTEST_BTC, 5_000),
    )


CALLS: list[tuple[Callable[[Api], object], str, str, object]] = [
    (Api.merchant, "GET", "/v1/merchant", None),
    (lambda api: api.invoice("inv_1"), "GET", "/v1/invoices/inv_1", None),
    (lambda api: api.cancel_invoice("inv_1"), "POST", "/v1/invoices/inv_1/cancel", {}),
    (
        lambda api: api.create_invoice(amount="12.50", currency="EUR"),
        "POST",
        "/v1/invoices",
        {"amount": "12.50", "currency": "EUR"},
    ),
    (
        lambda api: api.deposit_address(asset="BTC", reference="c 1"),
        "POST",
        "/v1/deposit-addresses",
        {"asset": "BTC", "reference": "c 1"},
    ),
    (lambda api: api.deposit("dep_1"), "GET", "/v1/deposits/dep_1", None),
    (lambda api: api.payout("pay_1"), "GET", "/v1/payouts/pay_1", None),
    (lambda api: api.cancel_payout("pay_1"), "POST", "/v1/payouts/pay_1/cancel", {}),
    (
        lambda api: api.create_webhook_endpoint("https://shop.example/hook"),
        "POST",
        "/v1/webhook-endpoints",
        {"url": "https://shop.example/hook"},
    ),
    (
        lambda api: api.create_webhook_endpoint("https://shop.example/hook", ("invoice.paid",)),
        "POST",
        "/v1/webhook-endpoints",
        {"url": "https://shop.example/hook", "events": ["invoice.paid"]},
    ),
    (
        lambda api: api.update_webhook_endpoint("whe_1", events=()),
        "PATCH",
        "/v1/webhook-endpoints/whe_1",
        {"events": []},
    ),
    (lambda api: api.delete_webhook_endpoint("whe_1"), "DELETE", "/v1/webhook-endpoints/whe_1", None),
    (lambda api: api.redeliver("dlv_1"), "POST", "/v1/webhook-deliveries/dlv_1/redeliver", {}),
    (lambda api: api.payout("../tokens?x=1#y"), "GET", "/v1/payouts/..%2Ftokens%3Fx%3D1%23y", None),
]


@pytest.mark.parametrize(("call", "method", "path", "body"), CALLS, ids=[f"{call[1]} {call[2]}" for call in CALLS])
def test_a_call_is_the_documented_request(
    server: ScriptedServer, api: Api, call: Callable[[Api], object], method: str, path: str, body: object
) -> None:
    server.answer(Answer(200, {"id": "x"}))
    call(api)
    [asked] = server.asked
    assert (asked.method, asked.path, asked.body) == (method, path, body)
    assert ("idempotency-key" in asked.headers) == (method == "POST")


def test_an_invoice_is_asked_for_with_every_field(server: ScriptedServer, api: Api) -> None:
    fields: dict[str, Any] = {
        "amount": "0.01",
        "currency": "BTC",
        "asset": "BTC",
        "reference": "order 1",
        "description": "Grüße",
        "expires_in_seconds": 900,
        "redirect_url": "https://shop.example/thanks",
        "metadata": {"a": [1, None]},
    }
    server.answer(Answer(201, {"id": "inv_1"}))
    assert api.create_invoice(**fields, idempotency_key="order-1")["id"] == "inv_1"
    assert server.asked[0].body == fields
    assert server.asked[0].headers["idempotency-key"] == "order-1"


def payout_answer(made: PaymentIntent, **changes: str) -> Answer:
    return Answer(201, {"id": made.payout, "destination": made.destination, "status": "queued"} | changes)


def test_a_payout_is_sent_as_hex_with_a_key_made_from_its_intent(server: ScriptedServer, api: Api) -> None:
    made = intent()
    signed = sign_intent(made, KEY)
    server.answer(payout_answer(made))
    assert api.send_payout(signed, "refund")["status"] == "queued"
    api.send_payout(signed, "refund")
    first, second = server.asked
    assert first.body == second.body
    assert first.body == {
        "intent": made.encode().hex(),
        "public_key": KEY.public_key.hex(),
        "signature": signed.signature.hex(),
        "kind": "refund",
    }
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.headers["idempotency-key"].startswith(made.payout)


@pytest.mark.parametrize("changes", [{"id": "pay_2"}, {"destination": "bcrt1qthief"}])
def test_an_answer_about_another_payment_is_refused(server: ScriptedServer, api: Api, changes: dict[str, str]) -> None:
    made = intent()
    server.answer(payout_answer(made, **changes))
    with pytest.raises(ProtocolError, match="another payment"):
        api.send_payout(sign_intent(made, KEY))


def test_what_is_no_intent_is_not_sent(server: ScriptedServer, api: Api) -> None:
    with pytest.raises(InvalidIntentError):
        api.send_payout(SignedIntent(b"", bytes(32), bytes(64)))
    assert not server.asked


def test_a_refused_payout_says_why(server: ScriptedServer, api: Api) -> None:
    server.answer(Answer(409, {"code": "balance-short", "detail": "0.001 BTC are available"}))
    with pytest.raises(ConflictError) as caught:
        api.send_payout(sign_intent(intent(), KEY))
    assert caught.value.code == "balance-short"


def test_balances_are_a_list(server: ScriptedServer, api: Api) -> None:
    server.answer(Answer(200, {"data": [{"asset": REGTEST_BTC.id, "available": "0.00150000"}]}))
    assert api.balances()[0]["available"] == "0.00150000"


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {}}, {"data": [1]}, {"data": "text"}])
def test_a_list_without_data_is_refused(server: ScriptedServer, api: Api, body: dict[str, object]) -> None:
    server.answer(Answer(200, body))
    with pytest.raises(ProtocolError):
        api.balances()


def test_a_page_is_asked_for_with_cursor_and_limit(server: ScriptedServer, api: Api) -> None:
    server.answer(Answer(200, {"data": [{"id": "a"}], "next_cursor": "c2"}))
    assert api.page("payouts", "c1", 10) == {"data": [{"id": "a"}], "next_cursor": "c2"}
    api.deliveries("whe_1", "c1")
    assert [asked.path for asked in server.asked] == [
        "/v1/payouts?cursor=c1&limit=10",
        "/v1/webhook-endpoints/whe_1/deliveries?cursor=c1",
    ]


def test_a_list_is_walked_to_its_end(server: ScriptedServer, api: Api) -> None:
    server.answer(
        Answer(200, {"data": [{"id": "a"}, {"id": "b"}], "next_cursor": "2"}),
        Answer(200, {"data": [], "next_cursor": "3"}),
        Answer(200, {"data": [{"id": "c"}], "next_cursor": None}),
    )
    assert [item["id"] for item in api.all("deposits")] == ["a", "b", "c"]
    assert [asked.path for asked in server.asked] == ["/v1/deposits", "/v1/deposits?cursor=2", "/v1/deposits?cursor=3"]


def test_pages_that_go_round_in_a_circle_are_noticed(server: ScriptedServer, api: Api) -> None:
    server.answer(Answer(200, {"data": [], "next_cursor": "1"}))
    with pytest.raises(ProtocolError, match="never ends"):
        list(api.all("events"))
    server.answer(Answer(200, {"data": [], "next_cursor": 5}))
    with pytest.raises(ProtocolError, match="next_cursor"):
        list(api.all("events"))


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_an_id_that_would_change_the_route_is_refused(server: ScriptedServer, api: Api, text: str) -> None:
    with pytest.raises(InvalidValueError):
        api.invoice(text)
    assert not server.asked
