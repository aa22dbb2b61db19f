from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from strongroom.demo.bills import BitcoinBill, EthereumBill, open_checkout, read_bill
from strongroom.demo.errors import CheckoutError
from strongroom_core.errors import StrongroomError

TOKEN, PAYEE = "0x" + "aB" * 20, "0x" + "Cd" * 20
ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


@contextmanager
def page(body: str, status: int = 200) -> Iterator[str]:
    """A checkout page of somebody's."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/checkout/inv_1"
        finally:
            server.shutdown()
            thread.join()


def test_a_bill_is_read_to_the_satoshi() -> None:
    bill = read_bill(f"bitcoin:{ADDRESS}?amount=0.00000001&message=Order%201")
    assert isinstance(bill, BitcoinBill)
    assert (bill.address, bill.amount.base_units) == (ADDRESS, 1)


def test_a_bill_in_tokens_names_chain_contract_and_base_units() -> None:
    bill = read_bill(f"ethereum:{TOKEN}@31337/transfer?address={PAYEE}&uint256=1500000")
    assert bill == EthereumBill(31337, TOKEN, PAYEE, 1_500_000)


def test_a_bill_in_ether_pays_its_target() -> None:
    assert read_bill(f"ethereum:{PAYEE}@1?value=1") == EthereumBill(1, None, PAYEE, 1)


@pytest.mark.parametrize(
    "uri",
    [
        f"bitcoin:{ADDRESS}",
        f"bitcoin:{ADDRESS}?amount=1&amount=2",
        f"bitcoin:{ADDRESS}?amount=1&req-strange=yes",
        f"litecoin:{ADDRESS}?amount=1",
        "https://example.com/?amount=1",
        f"ethereum:{TOKEN}/transfer?address={PAYEE}&uint256=1",
        f"ethereum:{TOKEN}@0/transfer?address={PAYEE}&uint256=1",
        f"ethereum:{TOKEN}@1/approve?address={PAYEE}&uint256=1",
        f"ethereum:{TOKEN}@1/transfer?address={PAYEE}",
        f"ethereum:{TOKEN}@1/transfer?address={PAYEE}&uint256=0",
        f"ethereum:{TOKEN}@1/transfer?address={PAYEE}&uint256=1e6",
        f"ethereum:{TOKEN}@1/transfer?address={PAYEE}&uint256=1&uint256=2",
        f"ethereum:{TOKEN}@1/transfer?address={PAYEE}&uint256=1&value=1",
        f"ethereum:{TOKEN}@1/transfer?address={PAYEE[:-1]}&uint256=1",
        f"ethereum:{PAYEE}@1?value=",
    ],
)
def test_what_is_not_understood_is_not_paid(uri: str) -> None:
    with pytest.raises(CheckoutError) as refusal:
        read_bill(uri)
    assert refusal.value.code == "checkout-unusable"


@pytest.mark.parametrize("amount", ["-1", "1e3", "0.000000001", "NaN", ""])
def test_a_strange_amount_is_not_paid(amount: str) -> None:
    with pytest.raises(StrongroomError):
        read_bill(f"bitcoin:{ADDRESS}?amount={amount}&x=1")


def test_the_page_s_one_payment_link_is_found() -> None:
    link = f"bitcoin:{ADDRESS}?amount=0.5&amp;message=a"
    with page(f'<a href="{link}">Open wallet</a> <code>{link}</code>') as url:
        assert open_checkout(url) == read_bill(link.replace("&amp;", "&"))


def test_the_page_s_one_token_link_is_found() -> None:
    link = f"ethereum:{TOKEN}@31337/transfer?address={PAYEE}&amp;uint256=7"
    with page(f'<a href="{link}">Open wallet</a> <code>{PAYEE}</code>') as url:
        assert open_checkout(url) == EthereumBill(31337, TOKEN, PAYEE, 7)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("<p>This invoice is paid.</p>", 200),
        (f"bitcoin:{ADDRESS}?amount=1 bitcoin:{ADDRESS}?amount=2", 200),
        (f"bitcoin:{ADDRESS}?amount=1", 404),
    ],
)
def test_a_page_without_one_clear_link_is_not_paid(body: str, status: int) -> None:
    with page(body, status) as url, pytest.raises(CheckoutError):
        open_checkout(url)


def test_only_web_addresses_are_opened() -> None:
    with pytest.raises(CheckoutError):
        open_checkout("file:///etc/passwd")
