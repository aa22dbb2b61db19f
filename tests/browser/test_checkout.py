"""The checkout in a real browser, open while real payments are made on a real node."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import check_page
from tests.browser.house import House
from tests.browser.watched import DESKTOP, Visit

pytestmark = pytest.mark.browser


def test_a_payment_is_followed_from_waiting_to_paid_without_a_reload(house: House, visit: Visit, shots: Path):
    invoice = house.invoice(description="Two loaves of rye", redirect_url="https://bakery.example/thanks")
    phone = visit(f"/checkout/{invoice['id']}")
    desk = visit(f"/checkout/{invoice['id']}", dark=True, size=DESKTOP)
    for seen in (phone, desk):
        seen.headline("Waiting for your payment")
        seen.text(".network", "a test network, coins have no value")
        seen.text(".steps [aria-current]", "Waiting")
    phone.page.screenshot(path=shots / "new-phone.png", full_page=True)
    desk.page.screenshot(path=shots / "new-desktop-dark.png", full_page=True)
    desk.page.emulate_media(color_scheme="light")
    desk.page.screenshot(path=shots / "new-desktop.png", full_page=True)

    txid = house.pay(invoice)
    for seen in (phone, desk):
        seen.headline("Payment seen")
        seen.text("#status .detail", "0 of 2 confirmations")
        seen.text(".payments", f"{txid[:8]}…{txid[-8:]}")
        seen.text(".payments .note", "may still replace it (RBF)")
        expect(seen.page.locator(".pay")).to_be_hidden()
    house.node.mine(1)
    for seen in (phone, desk):
        seen.headline("Payment confirming")
        seen.text("#status .detail", "1 of 2 confirmations")
        expect(seen.page.locator(".payments .note")).to_be_hidden()
    house.node.mine(1)
    for seen in (phone, desk):
        seen.headline("Paid")
        seen.text(".steps [aria-current]", "Paid")
        expect(seen.page).to_have_title(re.compile("^Paid · Bakery$"))
        expect(seen.page.get_by_role("link", name="Back to Bakery")).to_be_visible()
        assert seen.documents == 1, "the page was loaded again"
    phone.page.screenshot(path=shots / "paid-phone.png", full_page=True)


def test_part_of_the_amount_asks_for_the_rest_and_too_little_at_the_end_is_said(house: House, visit: Visit):
    invoice = house.invoice("0.001", "BTC")
    page = visit(f"/checkout/{invoice['id']}")
    before = page.page.locator("#qr path").get_attribute("d")
    house.pay(invoice, 60_000)
    page.headline("Part of it has arrived")
    page.text("#amount", re.compile(r"^0\.0004$"))
    page.text("[data-text=amount_label]", "Still to pay")
    assert "amount=0.0004" in str(page.page.locator("#wallet").get_attribute("href"))
    assert page.page.locator("#qr path").get_attribute("d") != before
    house.time_is_over(invoice)
    page.headline("Too little arrived in time")
    page.text("#status .detail", "0.0004 BTC was missing")
    expect(page.page.locator(".pay")).to_be_hidden()
    assert page.documents == 1


def test_an_expired_invoice_says_so_live_and_a_late_payment_too(house: House, visit: Visit, shots: Path):
    invoice = house.invoice()
    page = visit(f"/checkout/{invoice['id']}", dark=True)
    page.headline("Waiting for your payment")
    house.time_is_over(invoice)
    page.headline("The time to pay has run out")
    page.text("#status .detail", "do not pay again")
    page.page.screenshot(path=shots / "expired-phone-dark.png", full_page=True)
    house.pay(invoice)
    page.headline("Your payment came too late")


def test_a_payment_that_its_sender_takes_back_is_withdrawn(house: House, visit: Visit):
    invoice = house.invoice("0.01", "BTC")
    page = visit(f"/checkout/{invoice['id']}")
    txid = house.pay(invoice)
    page.headline("Payment seen")
    house.double_spend(txid)
    page.headline("Your payment was withdrawn")
    page.text(".payments .note", "replaced it by another payment")
    expect(page.page.locator(".pay")).to_be_visible()
    house.node.mine(1)


def test_more_than_the_price_is_said_to_the_satoshi(house: House, visit: Visit):
    invoice = house.invoice("0.001", "BTC")
    house.pay(invoice, 150_000)
    page = visit(f"/checkout/{invoice['id']}")
    page.headline("Payment seen")
    page.text("#status .detail", "0.0005 BTC too much")


def test_a_cancelled_invoice_is_said_live(house: House, visit: Visit):
    invoice = house.invoice()
    page = visit(f"/checkout/{invoice['id']}")
    page.headline("Waiting")
    house.call("POST", f"/v1/invoices/{invoice['id']}/cancel")
    page.headline("This invoice was cancelled")


def test_amount_and_address_are_copied_by_keyboard_alone(house: House, visit: Visit):
    invoice = house.invoice()
    page = visit(f"/checkout/{invoice['id']}", permissions=["clipboard-read", "clipboard-write"])
    for name, expected in (("amount", invoice["amount_due"]), ("address", invoice["address"])):
        button = page.page.get_by_role("button", name=f"Copy {name}")
        for _ in range(12):
            page.page.keyboard.press("Tab")
            if button.evaluate("element => element === document.activeElement"):
                break
        assert button.evaluate("element => element.matches(':focus-visible')")
        assert button.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
        page.page.keyboard.press("Enter")
        page.text("#spoken", f"The {name} was copied")
        assert page.page.evaluate("navigator.clipboard.readText()") == expected.rstrip("0")


def test_news_are_spoken_by_a_live_region_that_stays_on_the_page(house: House, visit: Visit):
    """A screen reader speaks what changes inside a region that it knows, and must not speak every tick of the clock."""
    invoice = house.invoice()
    page = visit(f"/checkout/{invoice['id']}")
    waiting = page.page.get_by_role("status").filter(has_text="Waiting for your payment")
    expect(waiting).to_have_count(1)
    assert [waiting.get_attribute(f"aria-{name}") for name in ("live", "atomic")] == ["polite", "true"]
    waiting.evaluate("element => { element.known = true }")
    expect(page.page.get_by_role("timer")).to_have_count(1)
    assert (
        page.page.locator("[aria-live] [role=timer], [role=status] [role=timer], [role=timer][aria-live]").count() == 0
    )
    house.pay(invoice)
    seen = page.page.get_by_role("status").filter(has_text="Payment seen")
    expect(seen).to_have_count(1)
    assert seen.evaluate("element => element.known === true")


def test_copying_works_where_the_page_has_no_clipboard(house: House, visit: Visit):
    invoice = house.invoice()
    page = visit(f"/checkout/{invoice['id']}", permissions=["clipboard-read"])
    page.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })")
    page.page.get_by_role("button", name="Copy address").click()
    page.text("#spoken", "The address was copied")
    pasted = page.page.evaluate("""async () => {
        delete navigator.clipboard;
        return navigator.clipboard.readText();
    }""")
    assert pasted == invoice["address"]


def test_the_countdown_follows_the_servers_time_whatever_the_machines_clock_says(house: House, visit: Visit):
    invoice = house.invoice(expires_in_seconds=600)
    page = visit(f"/checkout/{invoice['id']}")
    page.page.evaluate("Date.now = () => 0")
    page.text("#left", re.compile(r"^[789]:\d\d$"))
    first = page.page.locator("#left").inner_text()
    expect(page.page.locator("#left")).not_to_have_text(first)


def test_without_javascript_the_page_says_all_and_loads_itself_again(house: House, visit: Visit):
    invoice = house.invoice()
    page = visit(f"/checkout/{invoice['id']}", java_script_enabled=False)
    page.headline("Waiting for your payment")
    page.text("#left", "UTC")
    assert page.page.locator("noscript meta[http-equiv=refresh]").count() + page.page.content().count(
        'http-equiv="refresh"'
    )
    assert page.page.locator("#address").inner_text().replace("\n", "").replace(" ", "") == invoice["address"]


def test_the_page_goes_on_by_asking_where_it_cannot_be_kept_live(house: House, visit: Visit):
    invoice = house.invoice()
    page = visit("/checkout/inv_none", faults=True)
    page.page.route("**/events", lambda route: route.fulfill(status=503))
    page.page.goto(f"{house.base_url}/checkout/{invoice['id']}")
    page.headline("Waiting")
    house.pay(invoice)
    page.headline("Payment seen")


def test_an_unknown_invoice_is_a_friendly_page(house: House, visit: Visit):
    page = visit("/checkout/inv_01m81ab1hgwdg3hdrdz6p2w6bj", faults=True)
    expect(page.page.get_by_role("heading", level=1)).to_have_text("There is no invoice here")
    assert [fault for fault in page.faults if "404" not in fault] == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_is_accessible_in_every_mood(house: House, visit: Visit, dark: bool):
    invoice = house.invoice("0.001", "BTC")
    page = visit(f"/checkout/{invoice['id']}", dark=dark)
    page.headline("Waiting")
    check_page(page.page)
    ground = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(16, 19, 22)" if dark else "rgb(246, 245, 241)")
    house.time_is_over(invoice)
    page.headline("run out")
    check_page(page.page)


def test_less_motion_is_respected(house: House, visit: Visit):
    page = visit(f"/checkout/{house.invoice()['id']}", reduced_motion="reduce")
    assert page.page.locator(".sign .arc").evaluate("element => getComputedStyle(element).animationName") == "none"


def test_it_fits_a_narrow_phone(house: House, visit: Visit):
    page = visit(f"/checkout/{house.invoice()['id']}", size=(320, 640))
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 320
    heights = page.page.locator("button:visible, a.button:visible").evaluate_all(
        "elements => elements.map((element) => element.getBoundingClientRect().height)"
    )
    assert heights
    assert min(heights) >= 44, "a finger needs 44 pixels"
