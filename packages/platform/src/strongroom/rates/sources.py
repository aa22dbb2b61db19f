"""The sources of prices: one fixed in the settings, and the public tickers of two exchanges.

An exchange is asked over HTTPS without a key; its answer is read by a pure function of ``rules``. A source that fails
says so in the log and is left out; what it said before counts until it is stale.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final, Protocol

import httpx
import structlog

from strongroom.infra.clock import Clock
from strongroom.rates import rules
from strongroom.rates.errors import SourceAnswerError
from strongroom.rates.model import Observation, Pair

_log = structlog.get_logger(__name__)
TIMEOUT_SECONDS: Final = 5.0
ANSWER_BYTES_MAX: Final = 65_536
CONCURRENCY: Final = 4


class Source(Protocol):
    """Somebody who knows prices."""

    @property
    def name(self) -> str:
        """The name that is recorded with each price."""
        ...

    async def observe(self, pairs: Sequence[Pair], clock: Clock) -> list[Observation]:
        """Say what it can about these pairs; never raises for one that it cannot price."""
        ...


@dataclass(frozen=True, slots=True)
class FixedSource:
    """Prices from the settings, for demonstrations: ``BTC/EUR`` to decimal text. Always fresh."""

    prices: Mapping[str, str]
    name: str = "fixed"

    async def observe(self, pairs: Sequence[Pair], clock: Clock) -> list[Observation]:
        """Give the pairs that the settings price. Raises ``SourceAnswerError`` for a price that is none."""
        now = clock.now()
        return [
            Observation(self.name, pair, rules.parse_price(self.prices[str(pair)]), now)
            for pair in pairs
            if str(pair) in self.prices
        ]


@dataclass(frozen=True, slots=True)
class TickerSource:
    """An exchange's public ticker: ``url`` names a pair's address below ``base_url``, ``parse`` reads the answer.

    ``no_market`` names pairs such as ``USDC/USD`` that are never asked for.
    """

    name: str
    base_url: str
    url: Callable[[Pair], str]
    parse: Callable[[bytes], Fraction]
    no_market: frozenset[str] = frozenset()
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENCY))

    async def observe(self, pairs: Sequence[Pair], clock: Clock) -> list[Observation]:
        """Ask once for each name; those that fail are logged and left out.

        An exchange knows one USDT, whatever chain it is on: its price is that of all of them.
        """
        names = {str(pair): pair for pair in pairs if str(pair) not in self.no_market}
        async with httpx.AsyncClient(base_url=self.base_url, timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
            answers = await asyncio.gather(*(self._ask(client, pair, clock) for pair in names.values()))
        told = {str(answer.pair): answer for answer in answers if answer is not None}
        return [replace(told[str(pair)], pair=pair) for pair in pairs if str(pair) in told]

    async def _ask(self, client: httpx.AsyncClient, pair: Pair, clock: Clock) -> Observation | None:
        try:
            async with self.gate:
                body = await _get(client, self.url(pair))
            # The time is taken after the answer: a slow answer must not make an old price look fresh, and it is at
            # most the time-out old.
            return Observation(self.name, pair, self.parse(body), clock.now())
        except (httpx.HTTPError, SourceAnswerError) as error:
            _log.warning("no price from a source", source=self.name, pair=str(pair), error=type(error).__name__)
            return None


async def _get(client: httpx.AsyncClient, url: str) -> bytes:
    async with client.stream("GET", url) as response:
        response.raise_for_status()
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > ANSWER_BYTES_MAX:
                message = "the answer is too long to be a price"
                raise SourceAnswerError(message)
    return body


def kraken(base_url: str = "https://api.kraken.com") -> TickerSource:
    """Kraken's public ticker; it calls Bitcoin XBT."""
    names = {"BTC": "XBT"}
    return TickerSource(
        "kraken",
        base_url,
        lambda pair: f"/0/public/Ticker?pair={names.get(pair.asset.code, pair.asset.code)}{pair.fiat.code}",
        rules.parse_kraken,
    )


def coinbase(base_url: str = "https://api.exchange.coinbase.com") -> TickerSource:
    """Coinbase Exchange's public ticker.

    It has no order book of USDC against the dollar: it exchanges them one to one, whatever others pay, which is no
    price to guard a par by.
    """
    return TickerSource(
        "coinbase",
        base_url,
        lambda pair: f"/products/{pair.asset.code}-{pair.fiat.code}/ticker",
        rules.parse_coinbase,
        frozenset({"USDC/USD"}),
    )
