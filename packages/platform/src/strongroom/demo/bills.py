"""What a checkout page asks for, read from its payment link: BIP 21 for Bitcoin, EIP-681 for ether and tokens."""

from __future__ import annotations

import html
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Final

from strongroom.demo.errors import CheckoutError
from strongroom_core.amounts import Amount
from strongroom_core.assets import REGTEST_BTC

PAGE_BYTES_MAX: Final = 2_000_000
TIMEOUT_SECONDS: Final = 15
_ADDRESS: Final = "0x[0-9A-Fa-f]{40}"
# BIP 21: bitcoin:<address>?amount=<whole coins>&…; EIP-681: ethereum:<target>@<chain>[/<function>]?…
_LINK: Final = re.compile(rf"(?:bitcoin:[A-Za-z0-9]+|ethereum:{_ADDRESS}@[0-9]+(?:/transfer)?)\?[^\s\"'<>]*")
_EIP_681: Final = re.compile(rf"({_ADDRESS})@([1-9][0-9]{{0,15}})(/transfer)?")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,77}")


@dataclass(frozen=True, slots=True)
class BitcoinBill:
    """An amount of BTC to an address."""

    address: str
    amount: Amount


@dataclass(frozen=True, slots=True)
class EthereumBill:
    """Base units of a token (or of the chain's coin, where ``token`` is None) to an address, on the numbered chain."""

    chain: int
    token: str | None
    address: str
    units: int


Bill = BitcoinBill | EthereumBill


def read_bill(uri: str) -> Bill:
    """Read a payment link. Raises ``CheckoutError`` where anything in it is not understood."""
    parts = urllib.parse.urlsplit(uri)
    fields = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
    bill: Bill | None = None
    if all(len(values) == 1 for values in fields.values()):
        given = {name: values[0] for name, values in fields.items()}
        if parts.scheme.lower() == "bitcoin":
            bill = _bitcoin(parts.path, given)
        elif parts.scheme.lower() == "ethereum":
            bill = _ethereum(parts.path, given)
    if bill is None:
        message = f"{uri!r} is no payment link with one address and one amount that we understand"
        raise CheckoutError(message)
    return bill


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
    found = set(_LINK.findall(page))
    if len(found) != 1:
        message = f"{url} asks for no payment now" if not found else f"{url} shows {len(found)} different payment links"
        raise CheckoutError(message)
    return read_bill(found.pop())


def _bitcoin(address: str, fields: dict[str, str]) -> BitcoinBill | None:
    required = [name for name in fields if name.startswith("req-")]
    if "amount" not in fields or required:
        return None
    return BitcoinBill(address, Amount.parse(fields["amount"], REGTEST_BTC))


def _ethereum(path: str, fields: dict[str, str]) -> EthereumBill | None:
    match = _EIP_681.fullmatch(path)
    token = match is not None and match[3] is not None
    if match is None or set(fields) != ({"address", "uint256"} if token else {"value"}):
        return None
    units = fields["uint256"] if token else fields["value"]
    address = fields["address"] if token else match[1]
    if not _NUMBER.fullmatch(units) or not re.fullmatch(_ADDRESS, address):
        return None
    return EthereumBill(int(match[2]), match[1] if token else None, address, int(units))
