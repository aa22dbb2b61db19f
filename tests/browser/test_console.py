"""The merchant's console in a real browser, over balances, payments and deliveries that really happened."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import check_page
from tests.browser.house import FLORIST, STRANGER, House
from tests.browser.watched import DESKTOP, Visit, WatchedPage

pytestmark = pytest.mark.browser
PLACES = ("Overview", "Invoices", "Deposits", "Payouts", "Webhooks")


class _Receiver(BaseHTTPRequestHandler):
    """A merchant's server that takes everything."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hooks"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def traded(house: House, receiver: str) -> dict[str, Any]:
    """A day's trade: a paid invoice, a confirming one, an open one, an expired one, a payout, and webhooks."""
    house.call("POST", "/v1/webhook-endpoints", FLORIST, json={"url": receiver})
    paid = house.invoice("0.2", "BTC", FLORIST, reference="order-1042", description="Roses for a year")
    house.pay(paid)
    _until(house, paid, "processing")
    house.node.mine(2)
    _until(house, paid, "paid")
    payout = house.payout(5_000_000, FLORIST)
    confirming, still, expired = (
        house.invoice(price, seller=FLORIST, reference=reference)
        for price, reference in (("31.90", "order-1043"), ("4.20", "order-1044"), ("8.00", "order-1045"))
    )
    house.time_is_over(expired)
    house.pay(confirming)
    _until(house, confirming, "processing")
    _until(house, expired, "expired")
    return {"paid": paid, "payout": payout, "confirming": confirming, "open": still, "expired": expired}


def _until(house: House, invoice: dict[str, Any], status: str, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while house.call("GET", f"/v1/invoices/{invoice['id']}", FLORIST)["status"] != status:
        assert time.monotonic() < end, f"the invoice did not become {status}"
        time.sleep(0.1)


def _reload_until(page: WatchedPage, there: Callable[[], bool], seconds: float = 90.0) -> None:
    """Load a page that does not keep itself live again and again, until it shows what is waited for."""
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, page.page.locator("main").inner_text()
        page.page.wait_for_timeout(100)
        page.page.reload()


def log_in(page: WatchedPage, token: str) -> None:
    page.page.get_by_label("API token").fill(token)
    page.page.keyboard.press("Enter")


@pytest.fixture
def enter(house: House, visit: Visit) -> Visit:
    """Open the console and log in as the florist."""

    def open_console(**options: Any) -> WatchedPage:
        page: WatchedPage = visit("/console", **{"size": DESKTOP, **options})
        log_in(page, house.sellers[FLORIST].token)
        expect(page.page.get_by_role("heading", level=1)).to_have_text("Overview")
        return page

    return open_console


def test_balances_and_the_latest_of_everything_are_on_one_page(traded: dict[str, Any], enter: Visit, shots: Path):
    page = enter()
    page.text(".balance .main dd", "0.14999 BTC")
    page.text(".balance", "0.05001 BTC")
    page.text(".balance h2", "coins have no value")
    for item in (traded["paid"], traded["confirming"], traded["open"], traded["payout"]):
        expect(page.page.get_by_role("link", name=item["id"]).first).to_be_visible()
    page.page.screenshot(path=shots / "console-desktop.png", full_page=True)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_is_accessible(traded: dict[str, Any], enter: Visit, dark: bool):
    page = enter(dark=dark)
    for place in PLACES:
        page.page.get_by_role("navigation", name="Console").get_by_role("link", name=place).click()
        expect(page.page.get_by_role("heading", level=1)).to_have_text(place)
        expect(page.page.locator("nav [aria-current=page]")).to_have_text(place)
        check_page(page.page)
        first = page.page.locator("tbody th a").first
        if place == "Overview":
            continue
        name = first.inner_text()
        first.click()
        expect(page.page.get_by_role("heading", level=1)).to_have_text(name)
        check_page(page.page)


def test_an_invoice_leads_to_its_deposit_and_its_arrows(traded: dict[str, Any], enter: Visit):
    page = enter()
    page.page.get_by_role("link", name=traded["paid"]["id"]).first.click()
    page.text(".timeline", re.compile("Created.*Confirming.*Paid", re.DOTALL))
    page.page.locator("tbody th a").first.click()
    page.text(
        ".timeline", re.compile("Seen.*Seen → Confirming.*Confirming → Confirmed.*Confirmed → Credited", re.DOTALL)
    )
    page.page.get_by_role("link", name=traded["paid"]["id"]).click()
    expect(page.page.get_by_role("heading", level=1)).to_have_text(traded["paid"]["id"])


def test_a_payouts_life_is_a_timeline_with_what_is_to_come(traded: dict[str, Any], enter: Visit):
    page = enter()
    page.page.get_by_role("link", name=traded["payout"]["id"]).first.click()
    page.text(".timeline [aria-current=step]", "Queued")
    assert page.page.locator(".timeline .ahead strong").all_inner_texts() == [
        "Planned",
        "Signed",
        "Broadcast",
        "Confirmed",
        "Final",
    ]


def test_a_delivery_is_made_again_by_a_button(traded: dict[str, Any], enter: Visit):
    page = enter()
    page.page.get_by_role("link", name="Webhooks").click()
    page.page.locator("tbody th a").last.click()
    _reload_until(page, lambda: "Delivered" in page.page.locator(".chips .chip").first.inner_text())
    attempts = page.page.locator("tbody tr").count()
    assert attempts >= 1
    page.page.get_by_role("button", name="Deliver again").click()
    _reload_until(page, lambda: page.page.locator("tbody tr").count() > attempts)
    expect(page.page.locator("tbody tr")).to_have_count(attempts + 1)


def test_another_merchants_objects_are_not_there(traded: dict[str, Any], house: House, visit: Visit):
    page = visit("/console", size=DESKTOP, faults=True)
    log_in(page, house.sellers[STRANGER].token)
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.text("#content", "No invoice yet")
    page.page.goto(f"{house.base_url}/console/invoices/{traded['paid']['id']}")
    expect(page.page.get_by_role("heading", level=1)).to_have_text("There is nothing here")


def test_logging_in_with_a_wrong_token_is_said_and_logging_out_ends_it(house: House, visit: Visit, shots: Path):
    page = visit("/console", faults=True)
    expect(page.page).to_have_url(re.compile("/console/login$"))
    check_page(page.page)
    log_in(page, "srk_wrong")
    expect(page.page.get_by_role("alert")).to_contain_text("not valid")
    check_page(page.page)
    page.page.screenshot(path=shots / "console-login-phone.png")
    log_in(page, house.sellers[FLORIST].token)
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Overview")
    assert page.page.evaluate("document.cookie") == "", "a script can read the session"
    page.page.get_by_role("button", name="Log out").click()
    page.page.goto(f"{house.base_url}/console/invoices")
    expect(page.page).to_have_url(re.compile("/console/login$"))


def test_it_fits_a_phone(traded: dict[str, Any], enter: Visit, shots: Path):
    page = enter(size=(390, 844))
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    page.page.get_by_role("navigation", name="Console").get_by_role("link", name="Invoices").click()
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Invoices")
    page.page.get_by_role("link", name="Overview").click()
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.page.screenshot(path=shots / "console-phone.png", full_page=True)
