"""Prices as exact ratios, where they come from, and how long they hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
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
