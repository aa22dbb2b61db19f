"""Use cases of prices: the book that quotes are served from, and recording what sources said.

The worker asks the sources and records; the API reads what is recorded into memory and needs no network for a quote.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from strongroom.infra.database import Connection
from strongroom.infra.settings import RateSettings, Settings
from strongroom.rates import rules, store
from strongroom.rates.errors import RateDeviatingError, RateStaleError, RateUnavailableError
from strongroom.rates.model import Observation, Pair, RatePolicy, RateQuote, RateRefusal
from strongroom_core.assets import CHF, EUR, GBP, JPY, USD, Asset

FIATS: Final = (EUR, USD, GBP, CHF, JPY)
# Both exchanges trade these; a market that one of them has not is only logged noise each time.
EXCHANGE_FIATS: Final = (EUR, USD, GBP)
# Part of what the room offers; it is pure, and so it stands in ``rules``.
price_in_asset = rules.price_in_asset
_REFUSALS: Final = {error.code: error for error in (RateUnavailableError, RateStaleError, RateDeviatingError)}


class RateBook:
    """The newest price of every pair, in memory; ``refresh`` reads it from the table, ``quote`` answers from it."""

    def __init__(self) -> None:
        """Start empty: everything is unavailable until the first ``refresh``."""
        self._outcomes: dict[tuple[str, str], RateQuote | RateRefusal] = {}

    async def refresh(self, connection: Connection) -> int:
        """Read the newest outcomes; the count of pairs. Call it on the channel ``rates`` and every few seconds."""
        self.put(await store.latest_quotes(connection))
        return len(self._outcomes)

    def put(self, outcomes: Sequence[RateQuote | RateRefusal]) -> None:
        """Replace what the book says about these pairs."""
        self._outcomes |= {(one.asset.id, one.fiat.id): one for one in outcomes}

    def quote(self, asset: Asset, fiat: Asset, now: datetime) -> RateQuote:
        """Give the price of ``asset`` in ``fiat``, while it holds.

        Raises ``RateUnavailableError`` (``rate-unavailable``), or of its kind ``RateStaleError`` (``rate-stale``) and
        ``RateDeviatingError`` (``rate-deviating``).
        """
        outcome = self._outcomes.get((asset.id, fiat.id))
        if isinstance(outcome, RateQuote):
            return rules.check_fresh(outcome, now)
        message = f"there is no price for {asset.code} in {fiat.code} now; try again later, or price in {asset.code}"
        raise _REFUSALS.get(outcome.code if outcome else "", RateUnavailableError)(message)


def pairs_of(settings: Settings) -> list[Pair]:
    """List what has to be priced: the coin of every chain, in every fiat that a source of the settings may know."""
    fiats = EXCHANGE_FIATS if set(settings.rates.sources) - {"fixed"} else ()
    return [
        pair
        for chain in settings.chains
        for fiat in FIATS
        if (pair := Pair(chain.asset, fiat)).fiat in fiats or str(pair) in settings.rates.fixed
    ]


def policy_of(settings: RateSettings) -> RatePolicy:
    """Take the rules of agreement out of the settings."""
    return RatePolicy(settings.stale_after_seconds, settings.deviation_max_ppm, settings.sources_min)


async def record(
    connection: Connection, settings: Settings, observations: Sequence[Observation], now: datetime
) -> list[RateQuote | RateRefusal]:
    """Record what sources said, and what is made of it together with what others said before; one outcome a pair."""
    if observations:
        await store.insert_observations(connection, observations)
    latest = await store.latest_observations(connection, settings.rates.sources)
    outcomes = []
    for pair in pairs_of(settings):
        known = [one for one in latest if one.pair == pair]
        outcome = _agree(pair, known, policy_of(settings.rates), now)
        await store.insert_quote(connection, outcome, known)
        outcomes.append(outcome)
    return outcomes


def _agree(pair: Pair, known: Sequence[Observation], policy: RatePolicy, now: datetime) -> RateQuote | RateRefusal:
    try:
        return rules.agree(pair, known, policy, now)
    except RateUnavailableError as refusal:
        return RateRefusal(pair.asset, pair.fiat, refusal.code, now)
