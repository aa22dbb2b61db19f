"""The canary buys like a shopper, and notices whatever an owned host shows instead of the attested address."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from strongroom.checkout import qr
from strongroom_client import cli
from strongroom_client.api import Api
from strongroom_client.canary import Canary, Finding, Order
from strongroom_client.checkout_page import open_checkout
from strongroom_client.pins import render_pins
from strongroom_client.transport import Transport
from tests.integration.attestations.desk import Desk, Shop
from tests.integration.attestations.thief import Change

pytestmark = pytest.mark.asyncio(loop_scope="module")
THIEFS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
ORDER = Order("1.00", "EUR", "BTC")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(desk: Desk) -> AsyncIterator[Shop]:
    made = await desk.shop("watched")
    await desk.attest()
    yield made


async def look(shop: Shop, order: Order | None = ORDER, grace: float = 0.0) -> Finding:
    def do() -> Finding:
        with Transport(shop.desk.url, shop.seller.token) as transport:
            return Canary(Api(transport), shop.pins, order, grace_seconds=grace).look()

    return await asyncio.to_thread(do)


async def test_an_honest_checkout_is_fine_and_the_order_is_taken_back(shop: Shop):
    found = await look(shop)
    assert (found.result, found.code) == ("ok", "ok"), found
    assert found.address.startswith("bcrt1q")
    assert (await shop.ask(lambda api: api.invoice(found.invoice)))["status"] == "invalid"


async def test_an_address_swapped_in_the_database_is_noticed(shop: Shop, desk: Desk):
    body = f"BEGIN NEW.address := '{THIEFS}'; RETURN NEW; END"
    desk.execute(f"CREATE FUNCTION thief() RETURNS trigger LANGUAGE plpgsql AS $thief${body}$thief$")
    desk.execute("CREATE TRIGGER thief BEFORE INSERT ON invoice FOR EACH ROW EXECUTE FUNCTION thief()")
    try:
        found = await look(shop)
    finally:
        desk.execute("DROP TRIGGER thief ON invoice")
    # The API answers with what it derived, and everybody after it reads what stands in the table.
    assert (found.result, found.code) == ("alarm", "checkout-differs"), found
    assert THIEFS in found.detail


def only_link(address: str) -> Change:
    return lambda _, body: body.replace(f'href="bitcoin:{address}'.encode(), f'href="bitcoin:{THIEFS}'.encode())


def only_text(address: str) -> Change:
    def change(path: str, body: bytes) -> bytes:
        head = 4 + len(address) % 4
        shown = [address[:head], *(address[at : at + 4] for at in range(head, len(address), 4))]
        thiefs = [THIEFS[:head], *(THIEFS[at : at + 4] for at in range(head, len(THIEFS), 4))]
        before, after = ("".join(f"<span>{part}</span>" for part in parts) for parts in (shown, thiefs))
        return body.replace(before.encode(), after.encode())

    return change


def only_code(address: str) -> Change:
    def change(path: str, body: bytes) -> bytes:
        start = body.find(b'<path d="M') + len(b'<path d="')
        thiefs = qr.draw(f"bitcoin:{address[:-4]}qqqq?amount=0.00002010").path  # of the same size
        html = path.startswith("/checkout/inv_") and body.startswith(b"<!doctype")
        return body[:start] + thiefs.encode() + body[body.find(b'"', start) :] if html else body

    return change


def only_state(address: str) -> Change:
    swap = (address.encode(), THIEFS.encode())
    return lambda path, body: body.replace(*swap) if path.endswith("/state") else body


def only_stream(address: str) -> Change:
    swap = (address.encode(), THIEFS.encode())
    return lambda path, body: body.replace(*swap) if path.endswith("/events") else body


def other_way_to_pay(address: str) -> Change:
    """The address stays, and the link says that the payment is to be fetched from the thief (BIP 72)."""
    link = f"bitcoin:{address}?".encode()
    return lambda _, body: body.replace(link, link + b"r=https%3A%2F%2Fthief.example&")


@pytest.mark.parametrize("thief", [only_link, only_text, only_code, only_state, only_stream, other_way_to_pay])
async def test_whatever_the_page_alone_shows_otherwise_is_noticed(shop: Shop, desk: Desk, thief: object):
    assert callable(thief)
    made = await shop.ask(lambda api: api.create_invoice(amount="1.00", currency="EUR"))
    change = thief(made["address"])
    honest = await asyncio.to_thread(open_checkout, made["checkout_url"])
    assert honest.addresses == {made["address"]}
    assert honest.links == {made["payment_uri"]}

    def page_only(path: str, body: bytes) -> bytes:
        return change(path, body) if path.startswith("/checkout/") else body

    with desk.host.changing(page_only):
        found = await look(shop, order=None)
    assert (found.result, found.code, found.invoice) == ("alarm", "checkout-differs", made["id"]), found
    assert (await look(shop, order=None)).result == "ok"


async def test_an_unattested_address_is_an_alarm_once_the_grace_is_over(desk: Desk):
    shop = await desk.shop("unattested", enrolled="A")
    await desk.attest()
    found = await look(shop)
    assert (found.result, found.code) == ("alarm", "address-unattested")


async def test_an_api_that_is_away_is_trouble_and_no_alarm(desk: Desk):
    shop = await desk.shop("nothing open")
    found = await look(shop, order=None)
    assert (found.result, found.code) == ("trouble", "no-open-invoice")


async def test_the_command_tells_by_a_line_of_json_and_its_exit_code(
    shop: Shop, desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    token, pins = tmp_path / "token", tmp_path / "pins.toml"
    token.write_text(shop.seller.token)
    token.chmod(0o600)
    pins.write_text(render_pins(shop.pins))
    arguments = ["canary", "--api", desk.url, "--token-file", str(token), "--pins", str(pins), "--once"]
    assert await asyncio.to_thread(cli.main, arguments) == 0
    assert json.loads(capsys.readouterr().out)["result"] == "ok"
    found: dict[str, str] = {}

    def swap(path: str, body: bytes) -> bytes:
        if path == "/v1/invoices":
            found["address"] = json.loads(body)["address"]
        return body.replace(found["address"].encode(), THIEFS.encode())

    with desk.host.changing(swap):
        assert await asyncio.to_thread(cli.main, arguments[:-1]) == 3, "it ends with the first alarm"
    line = json.loads(capsys.readouterr().out)
    assert (line["result"], line["code"], line["address"]) == ("alarm", "address-forged", THIEFS)
