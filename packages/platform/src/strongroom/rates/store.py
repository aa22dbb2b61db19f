"""All SQL of prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from strongroom.infra.database import Connection, load_queries
from strongroom.rates.model import Observation, Pair, RateQuote, RateRefusal
from strongroom_core.assets import asset_by_id

_SQL = load_queries(__package__ or "")


async def insert_observations(connection: Connection, observations: Sequence[Observation]) -> None:
    """Record what sources said, in one statement."""
    values = {
        "sources": [one.source for one in observations],
        "assets": [one.pair.asset.id for one in observations],
        "fiats": [one.pair.fiat.id for one in observations],
        "numerators": [one.price.numerator for one in observations],
        "denominators": [one.price.denominator for one in observations],
        "times": [one.observed_at for one in observations],
    }
    await connection.execute(_SQL["insert_observations"], values)


async def latest_observations(connection: Connection, sources: Sequence[str]) -> list[Observation]:
    """Read the newest word of each of these sources about each pair."""
    rows = await (await connection.execute(_SQL["latest_observations"], {"sources": list(sources)})).fetchall()
    return [_observation(row) for row in rows]


async def insert_quote(
    connection: Connection, outcome: RateQuote | RateRefusal, observations: Sequence[Observation]
) -> None:
    """Record what was made of these observations."""
    price = outcome.price if isinstance(outcome, RateQuote) else None
    values = {
        "asset": outcome.asset.id,
        "fiat": outcome.fiat.id,
        "refusal": None if isinstance(outcome, RateQuote) else outcome.code,
        "numerator": price.numerator if price else None,
        "denominator": price.denominator if price else None,
        "sources": list(outcome.sources) if isinstance(outcome, RateQuote) else [],
        "observation_ids": [one.id for one in observations],
        "quoted_at": outcome.at,
        "expires_at": outcome.expires_at if isinstance(outcome, RateQuote) else outcome.at,
    }
    await connection.execute(_SQL["insert_quote"], values)


async def latest_quotes(connection: Connection) -> list[RateQuote | RateRefusal]:
    """Read the newest outcome of each pair."""
    rows = await (await connection.execute(_SQL["latest_quotes"])).fetchall()
    return [_outcome(row) for row in rows]


def _observation(row: Mapping[str, Any]) -> Observation:
    return Observation(
        source=row["source"],
        pair=Pair(asset_by_id(row["asset"]), asset_by_id(row["fiat"])),
        price=Fraction(row["numerator"], row["denominator"]),
        observed_at=row["observed_at"],
        id=row["id"],
    )


def _outcome(row: Mapping[str, Any]) -> RateQuote | RateRefusal:
    asset, fiat = asset_by_id(row["asset"]), asset_by_id(row["fiat"])
    if row["refusal"] is not None:
        return RateRefusal(asset, fiat, row["refusal"], row["quoted_at"])
    price = Fraction(row["numerator"], row["denominator"])
    return RateQuote(asset, fiat, price, tuple(row["sources"]), row["quoted_at"], row["expires_at"])
