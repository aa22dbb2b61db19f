"""The demonstration's shopper: opens a checkout page, finds what to pay, and pays from a wallet of its own.

A process of its own, with a node that is not the platform's, joined to the platform's by P2P only. It knows nothing of
the platform but the page's address, as any payer does.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.demo.errors import CheckoutError
from strongroom.demo.outside import SHOPPER
from strongroom.infra.components.bitcoin_rpc import BitcoinRpc
from strongroom_core.amounts import Amount
from strongroom_core.assets import REGTEST_BTC
from strongroom_core.errors import StrongroomError

PAGE_BYTES_MAX: Final = 2_000_000
TIMEOUT_SECONDS: Final = 15
# BIP 21: bitcoin:<address>?amount=<whole coins>&…
_URI: Final = re.compile(r"bitcoin:[A-Za-z0-9]+\?[^\s\"'<>]*")


@dataclass(frozen=True, slots=True)
class Bill:
    """What a page asks for."""

    address: str
    amount: Amount


def read_bill(uri: str) -> Bill:
    """Read a BIP 21 address. Raises ``CheckoutError``."""
    parts = urllib.parse.urlsplit(uri)
    fields = urllib.parse.parse_qs(parts.query)
    required = [name for name in fields if name.startswith("req-")]
    if parts.scheme.lower() != "bitcoin" or len(fields.get("amount", ())) != 1 or required:
        message = f"{uri!r} is no bitcoin: address with one amount that we understand"
        raise CheckoutError(message)
    return Bill(parts.path, Amount.parse(fields["amount"][0], REGTEST_BTC))


def open_checkout(url: str) -> Bill:
    """Open the page and find its payment link. Raises ``CheckoutError``."""
    if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
        message = f"{url!r} is no checkout page; it begins with http:// or https://"
        raise CheckoutError(message)
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 -- checked just above
            page = html.unescape(response.read(PAGE_BYTES_MAX).decode(errors="replace"))
    except (OSError, urllib.error.URLError) as error:
        message = f"{url} does not open: {error}"
        raise CheckoutError(message) from None
    found = set(_URI.findall(page))
    if len(found) != 1:
        message = f"{url} asks for no payment now" if not found else f"{url} shows {len(found)} different payment links"
        raise CheckoutError(message)
    return read_bill(found.pop())


def pay(node: BitcoinRpc, bill: Bill) -> str:
    """Pay a bill; the txid. Raises ``NodeRpcError`` with the wallet's reason."""
    return str(node.call("sendtoaddress", bill.address, bill.amount.format(), wallet=SHOPPER))


def main() -> int:
    """Pay one page; prints the txid as JSON."""
    parser = argparse.ArgumentParser(description="The demonstration's shopper.")
    parser.add_argument("--cookie-file", type=Path, required=True, help="of the shopper's own node")
    parser.add_argument("--rpc-port", type=int, required=True)
    parser.add_argument("checkout", help="the address of a checkout page")
    arguments = parser.parse_args()
    try:
        bill = open_checkout(arguments.checkout)
        txid = pay(BitcoinRpc(arguments.rpc_port, arguments.cookie_file), bill)
    except StrongroomError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n")
        return 1
    answer = {"txid": txid, "address": bill.address, "amount": bill.amount.format()}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
