"""Use cases of prices: the book that quotes are served from, and recording what sources said.

The worker asks the sources and records; the API reads what is recorded into memory and needs no network for a quote.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import structlog

from strongroom.infra import outbox
from strongroom.infra.database import Connection
from strongroom.infra.settings import RateSettings, Settings
from strongroom.rates import par, rules, store
from strongroom.rates.errors import RateDeviatingError, RateStaleError, RateUnavailableError
from strongroom.rates.model import Observation, Pair, ParPolicy, ParState, RatePolicy, RateQuote, RateRefusal, Stand
from strongroom_core.assets import CHF, EUR, GBP, JPY, USD, Asset, fiat_by_code

_log = structlog.get_logger(__name__)

FIATS: Final = (EUR, USD, GBP, CHF, JPY)
# Both exchanges trade these; a market that one of them has not is only logged noise each time.
EXCHANGE_FIATS: Final = (EUR, USD, GBP)
# Part of what the room offers; it is pure, and so it stands in ``rules``.
price_in_asset = rules.price_in_asset
_REFUSALS: Final = {error.code: error for error in (RateUnavailableError, RateStaleError, RateDeviatingError)}


DEPEGGED: Final = "rate.depegged"
AT_PAR: Final = "rate.at-par"
_TOPICS: Final = {Stand.DEPEGGED: DEPEGGED, Stand.AT_PAR: AT_PAR}
_PRICE_DECIMALS: Final = 6


class RateBook:
    """The newest price of every pair and the stand of every stablecoin, in memory.

    ``refresh`` reads them from their tables, ``quote`` answers from them.
    """

    def __init__(self) -> None:
        """Start empty: everything is unavailable until the first ``refresh``."""
        self._outcomes: dict[tuple[str, str], RateQuote | RateRefusal] = {}
        self._pars: dict[str, ParState] = {}

    async def refresh(self, connection: Connection) -> int:
        """Read the newest outcomes; the count of pairs. Call it on the channel ``rates`` and every few seconds."""
        self.put(await store.latest_quotes(connection))
        self.guard(await par_states(connection))
        return len(self._outcomes)

    def put(self, outcomes: Sequence[RateQuote | RateRefusal]) -> None:
        """Replace what the book says about these pairs."""
        self._outcomes |= {(one.asset.id, one.fiat.id): one for one in outcomes}

    def guard(self, states: Sequence[ParState]) -> None:
        """Replace what the book says about par; an asset that is not named is not guarded."""
        self._pars = {state.asset.id: state for state in states}

    def check_par(self, asset: Asset) -> None:
        """Let an asset pass that is at its par, or not guarded. Raises ``RateDepeggedError``, ``RateUnavailableError``.

        Every invoice in a guarded asset asks, one that is priced in the asset itself too: who asks for 100 of a coin
        that stands for a dollar means 100 dollars.
        """
        if (state := self._pars.get(asset.id)) is not None:
            par.check(state)

    def quote(self, asset: Asset, fiat: Asset, now: datetime) -> RateQuote:
        """Give the price of ``asset`` in ``fiat``, while it holds.

        Raises ``RateUnavailableError`` (``rate-unavailable``), or of its kind ``RateStaleError`` (``rate-stale``),
        ``RateDeviatingError`` (``rate-deviating``) and ``RateDepeggedError`` (``rate-depegged``).
        """
        self.check_par(asset)
        outcome = self._outcomes.get((asset.id, fiat.id))
        if isinstance(outcome, RateQuote):
            return rules.check_fresh(outcome, now)
        message = f"there is no price for {asset.code} in {fiat.code} now; try again later, or price in {asset.code}"
        raise _REFUSALS.get(outcome.code if outcome else "", RateUnavailableError)(message)


def pairs_of(settings: Settings) -> list[Pair]:
    """List what has to be priced: every asset that is held, in every fiat that a source of the settings may know.

    A stablecoin is always priced in the currency that it stands for.
    """
    fiats = EXCHANGE_FIATS if set(settings.rates.sources) - {"fixed"} else ()
    pars = guarded(settings)
    return [
        pair
        for asset in settings.held_assets
        for fiat in FIATS
        if (pair := Pair(asset, fiat)).fiat in fiats or str(pair) in settings.rates.fixed or pars.get(asset) == fiat
    ]


def guarded(settings: Settings) -> dict[Asset, Asset]:
    """Name the stablecoins of the settings, each with the currency that it stands for."""
    held = [item for chain in settings.chains for item in chain.held_assets]
    return {item.asset: fiat_by_code(item.par) for item in held if item.par is not None}


def policy_of(settings: RateSettings) -> RatePolicy:
    """Take the rules of agreement out of the settings."""
    return RatePolicy(settings.stale_after_seconds, settings.deviation_max_ppm, settings.sources_min)


def par_policy_of(settings: RateSettings) -> ParPolicy:
    """Take the band around par out of the settings."""
    return ParPolicy(settings.par_band_ppm, settings.par_back_ppm, settings.par_back_seconds)


async def par_states(connection: Connection) -> list[ParState]:
    """Read how every guarded asset stands to its par, for the book, the operator's status and metrics."""
    return await store.par_states(connection)


async def not_at_par(connection: Connection, *, hold: bool = False) -> frozenset[str]:
    """Name (CAIP-19) the guarded assets that nothing may be called paid at par in now.

    With ``hold`` their stand stays as it is until the caller's transaction ends (the worker's role only): whoever acts
    on a stand that changes afterwards finds what was decided by the old one.
    """
    return await store.not_at_par(connection, hold=hold)


async def record(
    connection: Connection, settings: Settings, observations: Sequence[Observation], now: datetime
) -> list[RateQuote | RateRefusal]:
    """Record what sources said, and what is made of it together with what others said before; one outcome a pair."""
    if observations:
        await store.insert_observations(connection, observations)
    latest = await store.latest_observations(connection, settings.rates.sources)
    outcomes = []
    prices: dict[Pair, Fraction | None] = {}
    for pair in pairs_of(settings):
        known = [one for one in latest if one.pair == pair]
        outcome = _agree(pair, known, policy_of(settings.rates), now)
        await store.insert_quote(connection, outcome, known)
        outcomes.append(outcome)
        prices[pair] = par.price_to_judge(outcome, known, settings.rates.stale_after_seconds, now)
    await _follow_pars(connection, settings, prices, now)
    return outcomes


async def _follow_pars(
    connection: Connection, settings: Settings, prices: dict[Pair, Fraction | None], now: datetime
) -> None:
    """Judge every stablecoin by its newest price, and tell of each whose stand changed."""
    known = {state.asset: state for state in await store.par_states(connection, lock=True)}
    after = []
    for asset, fiat in guarded(settings).items():
        before = known.get(asset)
        if before is None or before.fiat != fiat:
            before = par.new_state(asset, fiat, now)
        state = par.follow(before, prices[Pair(asset, fiat)], par_policy_of(settings.rates), now)
        after.append(state)
        if state.stand is not before.stand:
            await _tell(connection, state)
    await store.save_par_states(connection, after)


async def _tell(connection: Connection, state: ParState) -> None:
    facts = par_facts(state)
    if state.stand is Stand.DEPEGGED:
        _log.error("a stablecoin lost its par: no invoices in it, and none is called paid at par", **facts)
    else:
        _log.info("a stablecoin is at par", **facts)
    await outbox.publish(connection, _TOPICS[state.stand], state.asset.id, facts)


def par_facts(state: ParState) -> dict[str, Any]:
    """Show how an asset stands to its par, as JSON values; the price is decimal text, rounded to 6 decimals."""
    price = None
    if state.price is not None:
        price = f"{Decimal(round(state.price * 10**_PRICE_DECIMALS)).scaleb(-_PRICE_DECIMALS):f}"
    return {
        "asset": state.asset.code,
        "asset_id": state.asset.id,
        "par": state.fiat.code,
        "stand": state.stand.value,
        "since": state.since.isoformat(),
        "price": price,
        "priced_at": state.priced_at.isoformat() if state.priced_at else None,
    }


def _agree(pair: Pair, known: Sequence[Observation], policy: RatePolicy, now: datetime) -> RateQuote | RateRefusal:
    try:
        return rules.agree(pair, known, policy, now)
    except RateUnavailableError as refusal:
        return RateRefusal(pair.asset, pair.fiat, refusal.code, now)
