"""Pure rules of the depeg guard: when a stablecoin is not worth what it stands for, and when it is again.

Going out takes one price; coming back takes a narrower band for a while, so that a price on the edge does not open and
close the till. No price changes nothing, but it breaks the calm: what nobody saw was not calm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from strongroom.rates.errors import RateDepeggedError, RateUnavailableError
from strongroom.rates.model import Observation, ParPolicy, ParState, RateQuote, RateRefusal, Stand
from strongroom.rates.rules import fresh_of
from strongroom_core.assets import Asset

MILLION: Final = 1_000_000
PAR: Final = Fraction(1)
_DEVIATING: Final = "rate-deviating"


def new_state(asset: Asset, fiat: Asset, now: datetime) -> ParState:
    """Begin to guard an asset of which no price is known yet."""
    return ParState(asset, fiat, Stand.UNKNOWN, now)


def price_to_judge(
    outcome: RateQuote | RateRefusal, known: Sequence[Observation], stale_after_seconds: int, now: datetime
) -> Fraction | None:
    """Take the agreed price; of sources that disagree the word furthest from par, as one of them may see it break.

    None where there is no fresh word.
    """
    if isinstance(outcome, RateQuote):
        return outcome.price
    if outcome.code != _DEVIATING:
        return None
    words = [one.price for one in fresh_of(known, stale_after_seconds, now)]
    return max(words, key=lambda price: abs(price - PAR), default=None)


def follow(before: ParState, price: Fraction | None, policy: ParPolicy, now: datetime) -> ParState:
    """Judge the newest price, whole units of fiat for one of the asset; ``since`` moves only with the stand."""
    if price is None:
        return replace(before, calm_since=None)
    seen = replace(before, price=price, priced_at=now, calm_since=None)
    if _beyond(price, policy.band_ppm):
        return _stand(seen, Stand.DEPEGGED, now)
    if before.stand is not Stand.DEPEGGED:
        return _stand(seen, Stand.AT_PAR, now)
    if _beyond(price, policy.back_ppm):
        return seen
    calm_since = before.calm_since or now
    if now - calm_since >= timedelta(seconds=policy.back_seconds):
        return _stand(seen, Stand.AT_PAR, now)
    return replace(seen, calm_since=calm_since)


def check(state: ParState) -> None:
    """Let an asset at par pass. Raises ``RateDepeggedError``, ``RateUnavailableError`` where nothing is known yet."""
    asset, fiat = state.asset.code, state.fiat.code
    if state.stand is Stand.DEPEGGED:
        message = f"{asset} is not worth 1 {fiat} now, so no invoice is made in it; choose another asset, or wait"
        raise RateDepeggedError(message)
    if state.stand is Stand.UNKNOWN:
        message = f"no price of {asset}/{fiat} is known yet, so nobody can say that {asset} is at par; try again later"
        raise RateUnavailableError(message)


def _stand(state: ParState, stand: Stand, now: datetime) -> ParState:
    return replace(state, stand=stand, since=state.since if state.stand is stand else now)


def _beyond(price: Fraction, ppm: int) -> bool:
    return abs(price - PAR) * MILLION > ppm * PAR
