"""From outbox to the merchant's server: facts become deliveries, deliveries are attempted until they are taken."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpcore
import structlog

from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.outbox import Handler, OutboxEvent
from strongroom.infra.settings import WebhookSettings
from strongroom.webhooks import rules, store
from strongroom.webhooks.errors import DestinationRefusedError
from strongroom.webhooks.guard import make_connections
from strongroom.webhooks.model import EVENT_TYPES, DeliveryState, Event, Outcome, Outgoing
from strongroom.webhooks.signing import WebhookSecrets
from strongroom_core.ids import EventId, MerchantId

_log = structlog.get_logger(__name__)
TOPICS: Final = ("invoice.*", "deposit.*", "payout.*")
PER_ENDPOINT: Final = 16
ERROR_LENGTH_MAX: Final = 200

# Turns an outbox payload into what the merchant sees, in the dialect of its API; None where it is not for the merchant.
Renderer = Callable[[str, Mapping[str, Any]], Mapping[str, Any] | None]


def make_handler(render: Renderer) -> Handler:
    """Make the outbox handler that records a fact and its deliveries, in the fact's own transaction."""

    async def handle(connection: Connection, outbox_event: OutboxEvent) -> None:
        merchant_id = outbox_event.payload.get("merchant_id")
        data = render(outbox_event.topic, outbox_event.payload)
        if merchant_id is None or data is None or outbox_event.topic not in EVENT_TYPES:
            return
        sequence = await store.next_sequence(connection, outbox_event.key)
        event = _make_event(outbox_event, MerchantId(merchant_id), sequence, data)
        if await store.insert_event(connection, event, outbox_event.id):
            await store.insert_deliveries(connection, event)

    return handle


def _make_event(source: OutboxEvent, merchant_id: MerchantId, sequence: int, data: Mapping[str, Any]) -> Event:
    event_id = EventId.new()
    at = source.created_at.astimezone(UTC)
    body = {
        "id": event_id,
        "type": source.topic,
        "timestamp": at.isoformat().replace("+00:00", "Z"),
        "object_id": source.key,
        "sequence": sequence,
        "data": data,
    }
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=True)
    return Event(event_id, merchant_id, source.topic, source.key, sequence, text, at)


class Deliverer:
    """Attempts what is due, several at once; one slow server holds only its own share of the places."""

    def __init__(
        self,
        pool: Pool,
        connections: httpcore.AsyncConnectionPool,
        secrets: WebhookSecrets,
        *,
        timeout_seconds: int,
        concurrency: int,
    ) -> None:
        """Deliver through ``connections``, at most ``concurrency`` at once, each for at most ``timeout_seconds``.

        Set ``wake`` to what makes the loop step again at once, so that an outcome is recorded as soon as it is known.
        """
        self._pool = pool
        self._connections = connections
        self._secrets = secrets
        self._timeout_seconds = timeout_seconds
        self._concurrency = concurrency
        self._under_way: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._outcomes: list[tuple[Outcome, int]] = []
        self.wake: Callable[[], None] = lambda: None

    async def step(self) -> int:
        """Record what ended, start what is due; how many were started. The loop's step."""
        await self.record()
        free = self._concurrency - len(self._tasks)
        if free <= 0:
            return 0
        saturated = [endpoint for endpoint, count in self._under_way.items() if count >= PER_ENDPOINT]
        lease = timedelta(seconds=self._timeout_seconds * 3)
        async with transaction(self._pool) as connection:
            claimed = await store.claim(connection, free, PER_ENDPOINT, saturated, lease)
        for outgoing in claimed:
            self._start(outgoing)
        return len(claimed)

    async def record(self) -> int:
        """Write the outcomes known by now in one transaction; how many."""
        outcomes, self._outcomes = self._outcomes, []
        if outcomes:
            try:
                async with transaction(self._pool) as connection:
                    await store.record_attempts(connection, [_judge(outcome, tried) for outcome, tried in outcomes])
            except BaseException:
                self._outcomes = outcomes + self._outcomes
                raise
        return len(outcomes)

    async def finish(self) -> None:
        """Wait for what is under way, and record it; for a clean stop."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.record()

    def _start(self, outgoing: Outgoing) -> None:
        self._under_way[outgoing.endpoint_id] += 1
        task = asyncio.create_task(self._attempt(outgoing))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attempt(self, outgoing: Outgoing) -> None:
        start = time.monotonic()
        status, error = await self._send(outgoing)
        duration_ms = int((time.monotonic() - start) * 1000)
        self._under_way[outgoing.endpoint_id] -= 1
        self._outcomes.append((Outcome(outgoing.delivery_id, status, error, duration_ms), outgoing.attempts))
        self.wake()
        _log.info("webhook attempted", delivery_id=outgoing.delivery_id, status=status, error=error)

    async def _send(self, outgoing: Outgoing) -> tuple[int | None, str | None]:
        headers = self._secrets.headers(
            outgoing.endpoint_id, outgoing.secret_version, outgoing.event_id, datetime.now(UTC), outgoing.body
        )
        headers |= {"content-type": "application/json", "user-agent": "Strongroom-Webhooks/1"}
        body = outgoing.body.encode()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                request = self._connections.stream("POST", outgoing.url, headers=list(headers.items()), content=body)
                async with request as response:
                    return response.status, None if response.status < 300 else f"HTTP {response.status}"  # noqa: PLR2004 - success in HTTP
        except TimeoutError:
            return None, f"no answer within {self._timeout_seconds} s"
        except DestinationRefusedError as refused:
            return None, refused.message
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.TimeoutException,
            OSError,
            ValueError,
        ) as failed:
            return None, f"{type(failed).__name__}: {failed}"[:ERROR_LENGTH_MAX]


@asynccontextmanager
async def open_deliverer(settings: WebhookSettings, pool: Pool) -> AsyncIterator[Deliverer]:
    """Give a deliverer with its connections; at the end what is under way is awaited and recorded."""
    secrets = WebhookSecrets.load(settings.key_file)
    connections = make_connections(
        allow_private=settings.allow_private_destinations, connections_max=settings.concurrency
    )
    async with connections:
        deliverer = Deliverer(
            pool, connections, secrets, timeout_seconds=settings.timeout_seconds, concurrency=settings.concurrency
        )
        yield deliverer
        await deliverer.finish()


def _judge(outcome: Outcome, tried_before: int) -> tuple[Outcome, DeliveryState, timedelta | None]:
    if outcome.delivered:
        return outcome, DeliveryState.DELIVERED, None
    wait = rules.wait_after(tried_before + 1)
    return outcome, DeliveryState.EXHAUSTED if wait is None else DeliveryState.PENDING, wait
