"""All SQL of webhooks goes through here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from strongroom.infra.database import Connection, load_queries
from strongroom.webhooks.model import Attempt, Delivery, DeliveryState, Endpoint, Event, Fact, Outcome, Outgoing
from strongroom_core.ids import DeliveryId, EndpointId, EventId, MerchantId

_SQL = load_queries(__package__ or "")


async def count_endpoints(connection: Connection, merchant_id: str) -> int:
    """Count a merchant's endpoints."""
    row = await (await connection.execute(_SQL["count_endpoints"], [merchant_id])).fetchone()
    return int(row["count"]) if row else 0


async def insert_endpoint(
    connection: Connection, merchant_id: str, url: str, events: Sequence[str], key: str | None, digest: bytes
) -> Endpoint | None:
    """Record a new endpoint; None where the idempotency key has made one before."""
    values = {
        "merchant_id": merchant_id,
        "id": EndpointId.new(),
        "url": url,
        "events": list(events),
        "key": key,
        "digest": digest,
    }
    row = await (await connection.execute(_SQL["insert_endpoint"], values)).fetchone()
    return _endpoint(row) if row else None


async def endpoint_of_key(connection: Connection, merchant_id: str, key: str) -> tuple[Endpoint, bytes] | None:
    """Find what an idempotency key has made, and the digest of that request."""
    row = await (await connection.execute(_SQL["endpoint_of_key"], [merchant_id, key])).fetchone()
    if row is None:
        return None
    digest = bytes(row.pop("digest"))
    return _endpoint(row), digest


async def list_endpoints(connection: Connection, merchant_id: str, after: str, limit: int) -> list[Endpoint]:
    """Give a merchant's endpoints, oldest first, after an id."""
    values = {"merchant_id": merchant_id, "after": after, "limit": limit}
    return [_endpoint(row) async for row in await connection.execute(_SQL["list_endpoints"], values)]


async def get_endpoint(connection: Connection, merchant_id: str, endpoint_id: str) -> Endpoint | None:
    """Find one endpoint of a merchant."""
    row = await (await connection.execute(_SQL["get_endpoint"], [merchant_id, endpoint_id])).fetchone()
    return _endpoint(row) if row else None


async def update_endpoint(
    connection: Connection,
    merchant_id: str,
    endpoint_id: str,
    url: str | None,
    events: Sequence[str] | None,
    *,
    enabled: bool | None,
) -> Endpoint | None:
    """Change what is not None."""
    wanted = None if events is None else list(events)
    values = {"merchant_id": merchant_id, "id": endpoint_id, "url": url, "events": wanted, "enabled": enabled}
    row = await (await connection.execute(_SQL["update_endpoint"], values)).fetchone()
    return _endpoint(row) if row else None


async def delete_endpoint(connection: Connection, merchant_id: str, endpoint_id: str) -> bool:
    """Retire an endpoint; its deliveries stay on record, and those that are not made yet never are."""
    return await (await connection.execute(_SQL["delete_endpoint"], [merchant_id, endpoint_id])).fetchone() is not None


async def insert_events(connection: Connection, facts: Sequence[Fact]) -> None:
    """Record facts, numbered within their objects, and put them on their way, all in one statement."""
    values = {
        "ids": [fact.id for fact in facts],
        "merchants": [fact.merchant_id for fact in facts],
        "types": [fact.type for fact in facts],
        "objects": [fact.object_id for fact in facts],
        "heads": [fact.head for fact in facts],
        "tails": [fact.tail for fact in facts],
        "sources": [fact.source_event for fact in facts],
    }
    await connection.execute(_SQL["insert_events"], values)


async def list_events(connection: Connection, merchant_id: str, before: str, limit: int) -> list[Event]:
    """Give a merchant's events, newest first, before an id (empty: from the newest)."""
    values = {"merchant_id": merchant_id, "before": before, "limit": limit}
    return [Event(**_ids(row)) async for row in await connection.execute(_SQL["list_events"], values)]


async def list_deliveries(
    connection: Connection, merchant_id: str, endpoint_id: str, before: str, limit: int
) -> list[Delivery]:
    """Give deliveries, newest first; of all endpoints where ``endpoint_id`` is empty."""
    values = {"merchant_id": merchant_id, "endpoint_id": endpoint_id, "before": before, "limit": limit}
    return [_delivery(row) async for row in await connection.execute(_SQL["list_deliveries"], values)]


async def get_delivery(connection: Connection, merchant_id: str, delivery_id: str) -> Delivery | None:
    """Find one delivery of a merchant."""
    row = await (await connection.execute(_SQL["get_delivery"], [merchant_id, delivery_id])).fetchone()
    return _delivery(row) if row else None


async def list_attempts(connection: Connection, merchant_id: str, delivery_id: str) -> list[Attempt]:
    """Give all attempts of a delivery, in order."""
    return [Attempt(**row) async for row in await connection.execute(_SQL["list_attempts"], [merchant_id, delivery_id])]


async def redeliver(connection: Connection, merchant_id: str, delivery_id: str) -> Delivery | None:
    """Make a delivery due again, whatever its state; None where it is not there, or its endpoint is not any more."""
    row = await (await connection.execute(_SQL["redeliver"], [merchant_id, delivery_id])).fetchone()
    return _delivery(row) if row else None


async def claim(
    connection: Connection, limit: int, per_endpoint: int, saturated: Sequence[str], lease: timedelta
) -> list[Outgoing]:
    """Take what is due, for ``lease``; none of the ``saturated`` endpoints."""
    values = {"limit": limit, "per_endpoint": per_endpoint, "saturated": list(saturated), "lease": lease}
    return [Outgoing(**_ids(row)) async for row in await connection.execute(_SQL["claim"], values)]


async def record_attempts(
    connection: Connection, outcomes: Sequence[tuple[Outcome, DeliveryState, timedelta | None]]
) -> None:
    """Record how attempts ended, the state that follows, and the wait until the next one."""
    values = {
        "ids": [outcome.delivery_id for outcome, _, _ in outcomes],
        "statuses": [outcome.status for outcome, _, _ in outcomes],
        "errors": [outcome.error for outcome, _, _ in outcomes],
        "durations": [outcome.duration_ms for outcome, _, _ in outcomes],
        "states": [str(state) for _, state, _ in outcomes],
        "waits": [wait for _, _, wait in outcomes],
    }
    await connection.execute(_SQL["record_attempts"], values)


_ID_TYPES: dict[str, type[str]] = {
    "merchant_id": MerchantId,
    "endpoint_id": EndpointId,
    "event_id": EventId,
    "delivery_id": DeliveryId,
}


def _ids(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _ID_TYPES[name](value) if name in _ID_TYPES else value for name, value in row.items()}


def _endpoint(row: dict[str, Any]) -> Endpoint:
    return Endpoint(**(_ids(row) | {"id": EndpointId(row["id"]), "events": tuple(row["events"])}))


def _delivery(row: dict[str, Any]) -> Delivery:
    return Delivery(**(_ids(row) | {"id": DeliveryId(row["id"]), "state": DeliveryState(row["state"])}))
