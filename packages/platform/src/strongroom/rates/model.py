"""Prices as exact ratios, where they come from, and how long they hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from strongroom_core.assets import Asset


@dataclass(frozen=True, slots=True)
class Pair:
    """``asset`` priced in ``fiat``."""

    asset: Asset
    fiat: Asset

    def __str__(self) -> str:
        """Give the pair as people write it, such as BTC/EUR."""
        return f"{self.asset.code}/{self.fiat.code}"


@dataclass(frozen=True, slots=True)
class Observation:
    """What one source said: ``price`` is whole units of fiat for one whole unit of the asset. ``id`` once recorded."""

    source: str
    pair: Pair
    price: Fraction
    observed_at: datetime
    id: int = 0


@dataclass(frozen=True, slots=True)
class RateQuote:
    """A price that fresh sources agree on: whole units of ``fiat`` for one of ``asset``; good until ``expires_at``."""

    asset: Asset
    fiat: Asset
    price: Fraction
    sources: tuple[str, ...]
    at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RateRefusal:
    """No price for this pair at ``at``, with the stable ``code`` of the reason."""

    asset: Asset
    fiat: Asset
    code: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RatePolicy:
    """How sources have to agree: none older than ``stale_after_seconds``, none further than that from the median."""

    stale_after_seconds: int
    deviation_max_ppm: int
    sources_min: int


class Stand(StrEnum):
    """How a stablecoin stands to its par."""

    UNKNOWN = "unknown"  # no price of it in its own currency was ever agreed
    AT_PAR = "at-par"
    DEPEGGED = "depegged"


@dataclass(frozen=True, slots=True)
class ParState:
    """How ``asset`` stands to ``fiat`` since ``since``, by the last price known, ``price`` at ``priced_at``.

    ``calm_since``: since when a depegged one is back inside the narrow band without a break; none while it is not.
    """

    asset: Asset
    fiat: Asset
    stand: Stand
    since: datetime
    price: Fraction | None = None
    priced_at: datetime | None = None
    calm_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class ParPolicy:
    """The band around par: further than ``band_ppm`` is out, within ``back_ppm`` for that long is in again."""

    band_ppm: int
    back_ppm: int
    back_seconds: int
