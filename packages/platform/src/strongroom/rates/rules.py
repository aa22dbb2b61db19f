"""Pure rules of prices: reading answers, agreeing on a price, and pricing in an asset. No float anywhere."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Final, NoReturn

from strongroom.rates.errors import RateDeviatingError, RateStaleError, RateUnavailableError, SourceAnswerError
from strongroom.rates.model import Observation, Pair, RatePolicy, RateQuote
from strongroom_core.amounts import Amount, AssetMismatchError

MILLION: Final = 1_000_000
# A price outside this range is a broken answer; the column that keeps it has 78 digits.
_PRICE_MIN, _PRICE_MAX = Decimal("1e-18"), Decimal("1e18")
_TEXT_MAX: Final = 64
CLOCK_SKEW: Final = timedelta(seconds=5)


def parse_price(value: object) -> Fraction:
    """Read a price as decimal text or ``Decimal``, exactly. Raises ``SourceAnswerError``; a float is refused."""
    text = str(value) if isinstance(value, str | Decimal | int) and not isinstance(value, bool) else ""
    try:
        number = Decimal(text) if len(text) <= _TEXT_MAX else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    # The comparison comes before the fraction: an exponent of a billion would be a number of a billion digits.
    if not number.is_finite() or not _PRICE_MIN <= number <= _PRICE_MAX:
        message = "a price is a plain positive number"
        raise SourceAnswerError(message)
    return Fraction(number)


def parse_kraken(body: bytes) -> Fraction:
    """Read the answer of Kraken's ``GET /0/public/Ticker?pair=…``: the middle between best ask and best bid.

    Format: https://docs.kraken.com/rest/#tag/Market-Data/operation/getTickerInformation (``a`` and ``b`` are lists that
    begin with the price, as text; the pair comes back under a name of Kraken's own). Raises ``SourceAnswerError``.
    """
    answer = _json_object(body)
    result = answer.get("result")
    if answer.get("error") or not isinstance(result, dict) or len(result) != 1:
        message = "Kraken answered with an error, or not with one pair"
        raise SourceAnswerError(message)
    ticker = next(iter(result.values()))
    try:
        return _middle(ticker["a"][0], ticker["b"][0])
    except (KeyError, IndexError, TypeError):
        message = "Kraken's answer has no ask and bid"
        raise SourceAnswerError(message) from None


def parse_coinbase(body: bytes) -> Fraction:
    """Read the answer of Coinbase Exchange's ``GET /products/<pair>/ticker``: the middle between ``ask`` and ``bid``.

    Format: https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-product-ticker.
    Raises ``SourceAnswerError``.
    """
    answer = _json_object(body)
    try:
        return _middle(answer["ask"], answer["bid"])
    except KeyError:
        message = "Coinbase's answer has no ask and bid"
        raise SourceAnswerError(message) from None


def agree(pair: Pair, observations: Sequence[Observation], policy: RatePolicy, now: datetime) -> RateQuote:
    """Make one price of the newest word of each source: the median of those that are fresh, if all of these agree.

    Raises ``RateUnavailableError`` (nobody has this pair, or fewer than ``sources_min``), ``RateStaleError`` (they had,
    but too long ago), ``RateDeviatingError`` (a fresh one is further than allowed from the median: one of them is
    wrong, and which one is not guessed). It expires when its oldest part does.
    """
    window = timedelta(seconds=policy.stale_after_seconds)
    fresh = fresh_of(observations, policy.stale_after_seconds, now)
    if len(fresh) < policy.sources_min or not fresh:
        _refuse_too_few(pair, observations, fresh, policy)
    price = statistics.median(one.price for one in fresh)
    if any(abs(one.price - price) * MILLION > policy.deviation_max_ppm * price for one in fresh):
        message = f"the sources of {pair} disagree by more than {policy.deviation_max_ppm} ppm; try again later"
        raise RateDeviatingError(message)
    return RateQuote(
        asset=pair.asset,
        fiat=pair.fiat,
        price=Fraction(price),
        sources=tuple(sorted(one.source for one in fresh)),
        at=now,
        expires_at=min(one.observed_at for one in fresh) + window,
    )


def fresh_of(observations: Sequence[Observation], stale_after_seconds: int, now: datetime) -> list[Observation]:
    """Leave out what is too old, and what says to be from the future."""
    window = timedelta(seconds=stale_after_seconds)
    return [one for one in observations if now - window < one.observed_at <= now + CLOCK_SKEW]


def check_fresh(quote: RateQuote, now: datetime) -> RateQuote:
    """Give the quote back while it holds. Raises ``RateStaleError``."""
    if now >= quote.expires_at:
        message = f"the last price of {quote.asset.code}/{quote.fiat.code} is too old; try again in a minute"
        raise RateStaleError(message)
    return quote


def price_in_asset(amount_fiat: Amount, quote: RateQuote, spread_ppm: int) -> Amount:
    """Say how much of the asset is due for a price in fiat: fiat / price x (1 + spread), rounded UP to base units.

    Rounding up is in favour of solvency: the remainder, less than one base unit, is the payer's.
    Raises ``AssetMismatchError`` where the quote is in another currency.
    """
    if amount_fiat.asset != quote.fiat:
        message = f"this quote is in {quote.fiat.code}, the price in {amount_fiat.asset.code}"
        raise AssetMismatchError(message)
    numerator = amount_fiat.base_units * 10**quote.asset.decimals * quote.price.denominator * (MILLION + spread_ppm)
    denominator = 10**quote.fiat.decimals * quote.price.numerator * MILLION
    return Amount(quote.asset, -(-numerator // denominator))


def _middle(ask: object, bid: object) -> Fraction:
    low, high = parse_price(bid), parse_price(ask)
    if low > high:
        message = "the bid is above the ask: a crossed or swapped book is no price"
        raise SourceAnswerError(message)
    return (low + high) / 2


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        message = "the answer is not a JSON object"
        raise SourceAnswerError(message)
    return answer


def _refuse_too_few(
    pair: Pair, observations: Sequence[Observation], fresh: Sequence[Observation], policy: RatePolicy
) -> NoReturn:
    if len(observations) >= policy.sources_min and observations:
        message = f"the last prices of {pair} are too old; try again in a minute"
        raise RateStaleError(message)
    message = f"{pair} has {len(fresh)} fresh sources of the {policy.sources_min} that are needed"
    raise RateUnavailableError(message)
