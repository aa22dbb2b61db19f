"""The checkout of stablecoins in a real browser, open while tokens are paid on a real anvil."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from strongroom.infra.components.postgres import PostgresCluster
from strongroom.infra.database import make_pool, transaction
from strongroom.infra.settings import load_settings
from strongroom_core.assets import DEVNET
from tests.browser.accessibility import check_page
from tests.browser.conftest import aside
from tests.browser.ethereum import EvmHouse, open_evm_house
from tests.browser.house import READY_SECONDS
from tests.browser.watched import DESKTOP, Visit, open_page
from tests.fixtures.ethereum_house import EthereumHouse, text
from tests.fixtures.platform import make_seller
from tests.fixtures.postgres import cloned_database
from tests.integration.chains.evm_support import asset_of

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def evm_house(
    postgres_server: PostgresCluster, deployed_house: EthereumHouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EvmHouse]:
    """A platform on an anvil of this module's own."""
    with ExitStack() as stack:
        database = stack.enter_context(cloned_database(postgres_server))
        opened = stack.enter_context(open_evm_house(database, deployed_house, tmp_path_factory.mktemp("evm-house")))
        opened.token = aside(lambda: asyncio.run(_seller(opened)))
        yield opened


async def _seller(house: EvmHouse) -> str:
    settings = load_settings(house.folder / "strongroom.toml")
    async with make_pool(settings.dsn("api"), size=1) as pool, transaction(pool) as connection:
        return (await make_seller(connection, settings, "Bakery")).token


@pytest.fixture
def visit(chromium: Browser, evm_house: EvmHouse) -> Iterator[Visit]:
    """Open pages of this platform; at the end each must have been blameless."""
    with ExitStack() as stack:
        yield lambda path, **options: stack.enter_context(open_page(chromium, evm_house.base_url, path, **options))


def test_a_token_payment_is_followed_from_waiting_to_paid_without_a_reload(
    evm_house: EvmHouse, visit: Visit, shots: Path
):
    invoice = evm_house.invoice(description="Two loaves of rye")
    phone = visit(f"/checkout/{invoice['id']}")
    desk = visit(f"/checkout/{invoice['id']}", dark=True, size=DESKTOP)
    link = f"ethereum:{text(evm_house.usdt)}@31337/transfer?address={invoice['address']}&uint256=13654892"
    for seen in (phone, desk):
        seen.headline("Waiting for your payment")
        seen.text(".network", "Ethereum devnet: a test network")
        seen.text(".only", "Send USDT on Ethereum devnet only")
        seen.text(".only", "USDT on Tron (TRC-20) or BNB Chain (BEP-20), sent to this address, is not seen by us")
        assert seen.page.locator("#wallet").get_attribute("href") == link
        check_page(seen.page)
    phone.page.screenshot(path=shots / "usdt-new-phone.png", full_page=True)
    desk.page.screenshot(path=shots / "usdt-new-desktop-dark.png", full_page=True)
    desk.page.emulate_media(color_scheme="light")
    desk.page.screenshot(path=shots / "usdt-new-desktop.png", full_page=True)

    evm_house.pay(invoice)
    for seen in (phone, desk):
        seen.headline("Payment confirming")
        seen.text("#status .detail", "1 of 2 confirmations")
        seen.text(".payments .what", "13.654892 USDT")
        expect(seen.page.locator(".pay")).to_be_hidden()
    evm_house.mine()
    for seen in (phone, desk):
        seen.headline("Paid")
        assert seen.documents == 1, "the page was loaded again"
        expect(seen.page.locator(".stray")).to_be_hidden()
    phone.page.screenshot(path=shots / "usdt-paid-phone.png", full_page=True)


def test_a_payment_is_seen_before_a_block_has_it_and_withdrawn_when_its_sender_replaces_it(
    evm_house: EvmHouse, visit: Visit, shots: Path
):
    node, invoice = evm_house.chain.node, evm_house.invoice("0.02", "ETH", asset="ETH")
    payer, due = node.dev_accounts()[3], int(invoice["amount_due_base_units"])
    page = visit(f"/checkout/{invoice['id']}")
    page.headline("Waiting for your payment")
    node.rpc("evm_setAutomine", False)
    try:
        nonce = int(node.rpc("eth_getTransactionCount", payer, "latest"), 16)
        sent = node.send(invoice["address"], value=due, sender=payer, nonce=nonce, gasPrice=30 * 10**9)
        page.headline("Payment seen")
        page.text(".payments .note", "its sender may still replace or cancel it")
        check_page(page.page)
        page.page.screenshot(path=shots / "eth-seen-phone.png", full_page=True)
        (told,) = evm_house.call("GET", f"/v1/invoices/{invoice['id']}")["payments"]
        assert (told["txid"], told["state"], told["confirmations"]) == (sent, "seen", 0)
        node.send(payer, value=0, sender=payer, nonce=nonce, gasPrice=90 * 10**9)
        page.headline("Your payment was withdrawn")
        page.text(".payments .note", "replaced it by another payment")
        again = node.send(invoice["address"], value=due, sender=payer, nonce=nonce + 1, gasPrice=30 * 10**9)
        page.headline("Payment seen")
        node.mine()
        page.headline("Payment confirming")
        node.mine()
        page.headline("Paid")
    finally:
        node.rpc("evm_setAutomine", True)
    payments = evm_house.call("GET", f"/v1/invoices/{invoice['id']}")["payments"]
    assert {item["txid"]: item["state"] for item in payments} == {sent: "dropped", again: "credited"}
    assert page.documents == 1


def test_another_token_on_the_address_is_told_as_what_it_is(evm_house: EvmHouse, visit: Visit, shots: Path):
    invoice = evm_house.invoice()
    page = visit(f"/checkout/{invoice['id']}")
    evm_house.pay(invoice, 5_000_000, token=evm_house.usdc)
    evm_house.mine(2)
    page.headline("Something else has arrived")
    page.text("#status .detail", "5 USDC on Ethereum devnet came, which does not pay this invoice")
    page.text(".payments .note", "Not what this invoice asks for. It goes to the merchant as USDC")
    expect(page.page.locator(".pay")).to_be_visible()
    page.page.screenshot(path=shots / "usdt-wrong-token-phone.png", full_page=True)
    check_page(page.page)
    evm_house.pay(invoice)
    evm_house.mine(2)
    page.headline("Paid")
    page.text("#status .detail", "5 USDC on Ethereum devnet came too")


def test_ether_is_asked_for_in_wei_without_a_contract(evm_house: EvmHouse, visit: Visit):
    invoice = evm_house.invoice("0.010000000000000001", "ETH", asset="ETH")
    page = visit(f"/checkout/{invoice['id']}")
    link = f"ethereum:{invoice['address']}@31337?value=10000000000000001"
    assert page.page.locator("#wallet").get_attribute("href") == link
    page.text(".only", "Send ETH on Ethereum devnet only")
    expect(page.page.locator("#contract")).to_have_count(0)
    evm_house.pay(invoice)
    evm_house.mine(2)
    page.headline("Paid")


def test_amount_address_and_contract_are_copied_whole(evm_house: EvmHouse, visit: Visit):
    invoice = evm_house.invoice()
    page = visit(f"/checkout/{invoice['id']}", permissions=["clipboard-read", "clipboard-write"])
    shown = page.page.locator("#contract").inner_text()
    assert re.fullmatch(r"0x[0-9a-fA-F]{4}…[0-9a-fA-F]{4}", shown)
    wanted = {
        "amount": "13.654892",
        "address": invoice["address"],
        "contract": page.page.locator("#contract").get_attribute("data-full"),
    }
    for name, value in wanted.items():
        page.page.get_by_role("button", name=f"Copy {name}").click()
        page.text("#spoken", f"The {name} was copied")
        assert page.page.evaluate("navigator.clipboard.readText()") == value
    assert str(wanted["contract"]).lower() == text(evm_house.usdt)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_while_the_token_is_not_at_par_nobody_is_asked_to_pay(
    evm_house: EvmHouse, visit: Visit, shots: Path, dark: bool
):
    invoice, open_one = evm_house.invoice(), evm_house.invoice()
    evm_house.stand("depegged")
    try:
        page = visit(f"/checkout/{invoice['id']}", dark=dark)
        page.headline("Do not pay with USDT now")
        expect(page.page.locator(".pay")).to_be_hidden()
        check_page(page.page)
        page.page.screenshot(path=shots / f"usdt-depegged-{'dark' if dark else 'light'}.png", full_page=True)
        evm_house.pay(open_one)
        evm_house.mine(2)
        waits = visit(f"/checkout/{open_one['id']}", dark=dark)
        waits.headline("Your payment has arrived and waits")
        waits.text("#status .detail", "Do not pay again")
        check_page(waits.page)
        assert evm_house.call("GET", f"/v1/invoices/{open_one['id']}")["exception"] == "depegged"
        evm_house.command("invoice", "accept", open_one["id"])
        waits.headline("Paid")
        told = json.loads(evm_house.command("status", "--json"))["stablecoins"]
        assert {item["asset"]: item["stand"] for item in told} == {"USDT": "depegged", "USDC": "at-par"}
    finally:
        evm_house.stand("at-par")


def test_a_running_platform_serves_its_gauges(evm_house: EvmHouse):
    told, end = "", time.monotonic() + READY_SECONDS
    while f'strongroom_chain_status{{chain="{DEVNET.id}",status="ok"}} 1.0' not in told:
        assert time.monotonic() < end, told
        with contextlib.suppress(httpx.TransportError):  # the API is there already, and the worker perhaps not yet
            told = httpx.get(f"{evm_house.metrics_url}/metrics", trust_env=False, timeout=60).text
        time.sleep(0.2)
    assert f'strongroom_chain_height{{chain="{DEVNET.id}"}}' in told
    assert f'strongroom_par{{asset="{asset_of(evm_house.usdt)}",par="USD"}}' in told
    assert evm_house.token not in told


def test_the_page_fits_a_narrow_phone_and_says_after_its_time_what_to_do(
    evm_house: EvmHouse, visit: Visit, shots: Path
):
    invoice = evm_house.invoice()
    page = visit(f"/checkout/{invoice['id']}", size=(320, 640))
    page.headline("Waiting")
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 320
    page.page.screenshot(path=shots / "usdt-narrow.png", full_page=True)
    evm_house.time_is_over(invoice)
    page.headline("The time to pay has run out")
    page.text(".stray", "from Tron or another kind of network nobody can bring it back")
    expect(page.page.locator(".stray")).to_be_visible()
    page.page.screenshot(path=shots / "usdt-expired.png", full_page=True)
