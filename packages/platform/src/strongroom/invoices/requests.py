"""Pure checks of a merchant's request, and what it makes due. Every limit has its reason."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from strongroom.invoices import rules
from strongroom.invoices.errors import InvalidInvoiceError, InvoiceAmountError
from strongroom.invoices.model import LockedRate, NewInvoice, Priced
from strongroom.rates.service import RateBook, price_in_asset
from strongroom_core.amounts import MAX_BASE_UNITS, Amount
from strongroom_core.assets import (
    AmbiguousAssetError,
    Asset,
    UnknownAssetError,
    chain_by_id,
    choose_asset,
    fiat_by_code,
)
from strongroom_core.ids import MerchantId

# A payer needs a moment; a price lock beyond a week is a free option on the market.
EXPIRES_SECONDS_MIN: Final = 5
EXPIRES_SECONDS_MAX: Final = 7 * 86_400
REFERENCE_MAX: Final = 200
DESCRIPTION_MAX: Final = 1_000
URL_MAX: Final = 2_000
KEY_MAX: Final = 255
METADATA_BYTES_MAX: Final = 4_096
# In whole units. All litecoin that will ever be, and no bitcoin-like of this release has more; on EVM chains more than
# there is of any coin or stablecoin.
DUE_MAX_BITCOINS: Final = 84_000_000
DUE_MAX_EVM: Final = 10**12


def read_request(
    assets: Sequence[Asset],
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
    """Check a request: ``amount`` is decimal text of ``currency``: a fiat code, or one of ``assets``, those held.

    ``asset`` is what it is paid in, by code or CAIP-19 id; without it, ``currency`` itself or the first of ``assets``.
    Raises ``InvalidInvoiceError``, ``InvalidAmountError``, ``UnknownAssetError``, ``AmbiguousAssetError``.
    """
    priced_in, paid_in = _chosen(currency, asset, assets)
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
    book.check_par(request.asset)
    rate = None
    due = request.price
    if request.price.asset != request.asset:
        quote = book.quote(request.asset, request.price.asset, now)
        due = price_in_asset(request.price, quote, spread_ppm)
        rate = LockedRate(quote.price, quote.sources, quote.at, spread_ppm)
    enough = rules.enough_of(due, tolerance_ppm)
    if not minimum <= enough.base_units or due.base_units > _most(due.asset):
        message = f"{due} is out of range: payments below {Amount(due.asset, minimum)} are not credited at once"
        raise InvoiceAmountError(message)
    return Priced(due, enough, rate)


def _most(asset: Asset) -> int:
    whole = DUE_MAX_EVM if chain_by_id(asset.chain_id).is_evm else DUE_MAX_BITCOINS
    most: int = whole * 10**asset.decimals
    return min(most, MAX_BASE_UNITS)


def _chosen(currency: str, asset: str | None, assets: Sequence[Asset]) -> tuple[Asset, Asset]:
    """Say what the price is in and what is paid; a code that several networks have is settled by the other one's id."""
    paid_in = _held(asset, assets) if asset is not None else None
    named = paid_in is not None and currency in (paid_in.code, paid_in.id)
    priced_in = paid_in if named and paid_in else _currency(currency, assets)
    if paid_in is None:
        paid_in = assets[0] if priced_in.is_fiat and assets else priced_in
    if paid_in.is_fiat:
        message = f"{paid_in.code} is a currency to price in, not one to be paid in"
        raise InvalidInvoiceError(message)
    if not priced_in.is_fiat and paid_in != priced_in:
        message = f"a price in {priced_in.code} is paid in {priced_in.code}; leave `asset` out"
        raise InvalidInvoiceError(message)
    return priced_in, paid_in


def _currency(name: str, assets: Sequence[Asset]) -> Asset:
    try:
        return choose_asset(name, assets)
    except AmbiguousAssetError:
        raise
    except UnknownAssetError:
        return fiat_by_code(name)


def _held(name: str, assets: Sequence[Asset]) -> Asset:
    try:
        return choose_asset(name, assets)
    except UnknownAssetError:
        _refuse_fiat(name)
        coins = ", ".join(sorted({asset.code for asset in assets})) or "none"
        message = f"{name!r} is nothing that an invoice can be paid in here; the coins here: {coins}"
        raise UnknownAssetError(message) from None


def _refuse_fiat(name: str) -> None:
    with contextlib.suppress(UnknownAssetError):
        message = f"{fiat_by_code(name).code} is a currency to price in, not one to be paid in"
        raise InvalidInvoiceError(message)


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
