"""From outbox to the merchant's server: facts become deliveries, deliveries are attempted until they are taken."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpcore
import structlog

from strongroom.infra.database import Pool, transaction
from strongroom.infra.outbox import OutboxEvent, Sink
from strongroom.infra.settings import WebhookSettings
from strongroom.infra.telemetry import bind_request
from strongroom.webhooks import rules, store
from strongroom.webhooks.errors import DestinationRefusedError
from strongroom.webhooks.guard import make_connections
from strongroom.webhooks.model import EVENT_TYPES, DeliveryState, Fact, Outcome, Outgoing
from strongroom.webhooks.signing import WebhookSecrets
from strongroom_core.ids import EventId, MerchantId

_log = structlog.get_logger(__name__)
TOPICS: Final = ("invoice.*", "deposit.*", "payout.*")
# Attempts under way at one endpoint, how many more of its deliveries are claimed ahead, and of all endpoints' together.
PER_ENDPOINT: Final = 16
PER_ENDPOINT_CLAIM: Final = 64
CLAIM_MAX: Final = 512
# Outcomes are written together, a few at a time: a commit for each would cost more than the delivery.
RECORD_AT_ONCE: Final = 64
RECORD_SECONDS: Final = 0.05
ERROR_LENGTH_MAX: Final = 200

# Turns an outbox payload into what the merchant sees, in the dialect of its API; None where it is not for the merchant.
Renderer = Callable[[str, Mapping[str, Any]], Mapping[str, Any] | None]


def make_sink(render: Renderer) -> Sink:
    """Make the outbox sink that records facts and their deliveries, in the facts' own transaction."""

    def prepare(outbox_event: OutboxEvent) -> Fact | None:
        merchant_id = outbox_event.payload.get("merchant_id")
        if merchant_id is None or outbox_event.topic not in EVENT_TYPES:
            return None
        data = render(outbox_event.topic, outbox_event.payload)
        return None if data is None else _make_fact(outbox_event, MerchantId(merchant_id), data)

    return Sink(TOPICS, prepare, store.insert_events)


def _make_fact(source: OutboxEvent, merchant_id: MerchantId, data: Mapping[str, Any]) -> Fact:
    event_id = EventId.new()
    at = source.created_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    object_id = source.payload.get("id", source.key)  # the key of a payout's events is its hold, which is the house's
    known = _json({"id": event_id, "type": source.topic, "timestamp": at, "object_id": object_id})
    head = f'{known[:-1]},"sequence":'
    tail = f',"data":{_json(data)}}}'
    return Fact(event_id, merchant_id, source.topic, object_id, head, tail, source.id)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


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

        Set ``wake`` to what makes the loop step again at once, so that outcomes are recorded as soon as they are known.
        """
        self._pool = pool
        self._connections = connections
        self._secrets = secrets
        self._timeout_seconds = timeout_seconds
        self._concurrency = concurrency
        self._waiting: dict[str, deque[Outgoing]] = defaultdict(deque)
        self._under_way: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._outcomes: list[tuple[Outcome, int]] = []
        self._due: asyncio.TimerHandle | None = None
        self.wake: Callable[[], None] = lambda: None

    async def step(self) -> int:
        """Record what ended, claim and start what is due; how many were claimed. The loop's step."""
        await self.record()
        held = {name: self._under_way[name] + len(self._waiting[name]) for name in {*self._under_way, *self._waiting}}
        room = CLAIM_MAX - sum(held.values())
        if room <= 0:
            return 0
        saturated = [name for name, count in held.items() if count >= PER_ENDPOINT_CLAIM]
        # What waits here longest is behind PER_ENDPOINT_CLAIM / PER_ENDPOINT attempts of its own endpoint.
        lease = timedelta(seconds=self._timeout_seconds * (2 + PER_ENDPOINT_CLAIM // PER_ENDPOINT))
        async with transaction(self._pool) as connection:
            claimed = await store.claim(connection, room, PER_ENDPOINT_CLAIM, saturated, lease)
        for outgoing in claimed:
            self._waiting[outgoing.endpoint_id].append(outgoing)
        self._start_waiting()
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
        """Wait for what is under way, and record it; what only waits here is left to its lease. For a clean stop."""
        self._waiting.clear()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.record()

    def _start_waiting(self) -> None:
        for endpoint_id, waiting in self._waiting.items():
            while waiting and self._under_way[endpoint_id] < PER_ENDPOINT and len(self._tasks) < self._concurrency:
                self._under_way[endpoint_id] += 1
                task = asyncio.create_task(self._attempt(waiting.popleft()))
                self._tasks.add(task)
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._start_waiting()
        if len(self._outcomes) >= RECORD_AT_ONCE or not self._tasks:
            self.wake()
        elif self._due is None or self._due.cancelled() or self._due.when() < asyncio.get_running_loop().time():
            self._due = asyncio.get_running_loop().call_later(RECORD_SECONDS, self._wake_now)

    def _wake_now(self) -> None:
        self.wake()

    async def _attempt(self, outgoing: Outgoing) -> None:
        bind_request(outgoing.request_id)  # a task of its own: nothing else speaks in this request's name
        start = time.monotonic()
        status, error = await self._send(outgoing)
        duration_ms = int((time.monotonic() - start) * 1000)
        self._under_way[outgoing.endpoint_id] -= 1
        self._outcomes.append((Outcome(outgoing.delivery_id, status, error, duration_ms), outgoing.attempts))
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
