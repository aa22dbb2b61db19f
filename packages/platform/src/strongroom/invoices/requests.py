"""Pure checks of a merchant's request, and what it makes due. Every limit has its reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from strongroom.invoices import rules
from strongroom.invoices.errors import InvalidInvoiceError, InvoiceAmountError
from strongroom.invoices.model import LockedRate, NewInvoice, Priced
from strongroom.rates.service import RateBook, price_in_asset
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset, Chain, asset_by_code, native_asset
from strongroom_core.ids import MerchantId

# A payer needs a moment; a price lock beyond a week is a free option on the market.
EXPIRES_SECONDS_MIN: Final = 5
EXPIRES_SECONDS_MAX: Final = 7 * 86_400
REFERENCE_MAX: Final = 200
DESCRIPTION_MAX: Final = 1_000
URL_MAX: Final = 2_000
KEY_MAX: Final = 255
METADATA_BYTES_MAX: Final = 4_096
# All litecoin that will ever be; no chain of this release has more coins.
DUE_MAX: Final = 84_000_000 * 10**8


def read_request(
    chains: tuple[Chain, ...],
    merchant_id: MerchantId,
    *,
    amount: str,
    currency: str,
    expires_in_seconds: int,
    asset: str | None = None,
    reference: str | None = None,
    description: str | None = None,
    redirect_url: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> NewInvoice:
    """Check a request: ``amount`` is decimal text of ``currency`` (a fiat or coin code), ``asset`` a coin's code.

    Raises ``InvalidInvoiceError``, ``InvalidAmountError``, ``UnknownAssetError``.
    """
    priced_in = asset_by_code(currency, chains)
    paid_in = _coin(priced_in, asset, chains)
    if not EXPIRES_SECONDS_MIN <= expires_in_seconds <= EXPIRES_SECONDS_MAX:
        message = f"expires_in_seconds is {EXPIRES_SECONDS_MIN} to {EXPIRES_SECONDS_MAX}"
        raise InvalidInvoiceError(message)
    price = Amount.parse(amount, priced_in)
    if not price:
        message = "an invoice is for more than nothing"
        raise InvoiceAmountError(message)
    fields: dict[str, Any] = {
        "reference": _text("reference", reference, REFERENCE_MAX),
        "description": _text("description", description, DESCRIPTION_MAX),
        "redirect_url": _url(redirect_url),
        "metadata": _metadata(metadata or {}),
    }
    key = _text("idempotency key", idempotency_key, KEY_MAX)
    said = [merchant_id, price.base_units, priced_in.id, paid_in.id, expires_in_seconds, fields]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest()
    return NewInvoice(merchant_id, price, paid_in, expires_in_seconds, idempotency_key=key, digest=digest, **fields)


def price(
    request: NewInvoice, book: RateBook, *, spread_ppm: int, tolerance_ppm: int, minimum: int, now: datetime
) -> Priced:
    """Say what is due. ``minimum`` base units is the least that is ever credited.

    Raises ``RateUnavailableError`` and its kinds, ``InvoiceAmountError``.
    """
    rate = None
    due = request.price
    if request.price.asset != request.asset:
        quote = book.quote(request.asset, request.price.asset, now)
        due = price_in_asset(request.price, quote, spread_ppm)
        rate = LockedRate(quote.price, quote.sources, quote.at, spread_ppm)
    enough = rules.enough_of(due, tolerance_ppm)
    if not minimum <= enough.base_units or due.base_units > DUE_MAX:
        message = f"{due} is out of range: payments below {Amount(due.asset, minimum)} are not credited at once"
        raise InvoiceAmountError(message)
    return Priced(due, enough, rate)


def _coin(priced_in: Asset, code: str | None, chains: tuple[Chain, ...]) -> Asset:
    if code is not None:
        coin = asset_by_code(code, chains)
    elif priced_in.is_fiat and chains:
        coin = native_asset(chains[0])
    else:
        coin = priced_in
    if coin.is_fiat:
        message = f"{coin.code} is a currency to price in, not one to be paid in"
        raise InvalidInvoiceError(message)
    if not priced_in.is_fiat and coin != priced_in:
        message = f"a price in {priced_in.code} is paid in {priced_in.code}; leave `asset` out"
        raise InvalidInvoiceError(message)
    return coin


def _text(name: str, value: str | None, longest: int) -> str | None:
    if value is None:
        return None
    if not 1 <= len(value) <= longest or "\x00" in value or not _is_utf8(value):
        message = f"{name} has 1 to {longest} characters, none of them NUL"
        raise InvalidInvoiceError(message)
    return value


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _url(value: str | None) -> str | None:
    text = _text("redirect_url", value, URL_MAX)
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"https", "http"} and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        good = False
    if not good or not text.isprintable() or " " in text:
        message = "redirect_url is an http or https address without a user name"
        raise InvalidInvoiceError(message)
    return text


def _metadata(value: Mapping[str, Any]) -> Mapping[str, Any]:
    if not value:
        return value
    try:
        encoded = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        encoded = b"\\u0000"
    if len(encoded) > METADATA_BYTES_MAX or b"\\u0000" in encoded:
        message = f"metadata is a JSON object of at most {METADATA_BYTES_MAX} bytes, without NUL"
        raise InvalidInvoiceError(message)
    return value
