"""All SQL of prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from strongroom.infra.database import Connection, load_queries
from strongroom.rates.model import Observation, Pair, ParState, RateQuote, RateRefusal, Stand
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


async def par_states(connection: Connection, *, lock: bool = False) -> list[ParState]:
    """Read how guarded assets stand to their par; with ``lock`` nobody else judges them until this transaction ends."""
    query = _SQL["lock_par_states" if lock else "par_states"]
    return [_par_state(row) for row in await (await connection.execute(query)).fetchall()]


async def save_par_states(connection: Connection, states: Sequence[ParState]) -> None:
    """Write the newest verdicts, and forget assets that are no longer guarded."""
    await connection.execute(_SQL["forget_par_states"], {"assets": [state.asset.id for state in states]})
    for state in states:
        values = {
            "asset": state.asset.id,
            "fiat": state.fiat.id,
            "stand": state.stand.value,
            "since": state.since,
            "numerator": state.price.numerator if state.price else None,
            "denominator": state.price.denominator if state.price else None,
            "priced_at": state.priced_at,
            "calm_since": state.calm_since,
        }
        await connection.execute(_SQL["save_par_state"], values)


async def not_at_par(connection: Connection, *, hold: bool = False) -> frozenset[str]:
    """Read the ids of guarded assets that are not at par; ``hold``: their stand stays until this transaction ends."""
    rows = await (await connection.execute(_SQL["hold_not_at_par" if hold else "not_at_par"])).fetchall()
    return frozenset(row["asset"] for row in rows)


def _par_state(row: Mapping[str, Any]) -> ParState:
    price = None if row["numerator"] is None else Fraction(row["numerator"], row["denominator"])
    return ParState(
        asset=asset_by_id(row["asset"]),
        fiat=asset_by_id(row["fiat"]),
        stand=Stand(row["stand"]),
        since=row["since"],
        price=price,
        priced_at=row["priced_at"],
        calm_since=row["calm_since"],
    )


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
