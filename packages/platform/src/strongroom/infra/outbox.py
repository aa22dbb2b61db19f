"""The outbox: facts committed together with the change that they tell of, handled later, in order per object.

A room publishes with its own connection, in its own transaction. The dispatcher of a worker hands every event to the
handlers of its topic, inside one transaction that also marks it handled: a handler that only writes to the database
happens exactly once. Events of one key are handled in the order of their making; one that fails is tried again with a
growing delay and holds back only its own key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from psycopg.types.json import Jsonb

from strongroom.infra.database import Connection, Pool, load_queries, transaction
from strongroom.infra.telemetry import current_request_id, on_behalf_of

_SQL = load_queries(__package__ or "", "outbox.sql")
_log = structlog.get_logger(__name__)
BATCH: Final = 200
CHANNEL: Final = "outbox"


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """One fact: ``topic`` such as ``deposit.credited``, the ``key`` of its object, and the whole payload."""

    id: int
    topic: str
    key: str
    payload: dict[str, Any]
    created_at: datetime
    request_id: str = ""


Handler = Callable[[Connection, OutboxEvent], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sink:
    """Writes what it prepares from single events (None: nothing) in one statement for a whole batch."""

    topics: tuple[str, ...]
    prepare: Callable[[OutboxEvent], Any | None]
    write: Callable[[Connection, Sequence[Any]], Awaitable[None]]


async def publish(connection: Connection, topic: str, key: str, payload: dict[str, Any]) -> None:
    """Write one event in the caller's transaction. Amounts in a payload are strings of base units."""
    await publish_many(connection, [(topic, key, payload)])


async def publish_many(connection: Connection, events: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """Write events (topic, key, payload) in one statement, in their order, with the request id of this task."""
    if events:
        topics, keys, payloads = zip(*events, strict=True)
        await connection.execute(
            _SQL["publish"], [current_request_id(), list(topics), list(keys), [Jsonb(payload) for payload in payloads]]
        )


class Dispatcher:
    """Hands events to handlers; a process registers them, rooms do not know each other's."""

    def __init__(self) -> None:
        """Start without handlers."""
        self._handlers: dict[str, list[Handler]] = defaultdict(list)
        self._sinks: list[Sink] = []

    def on(self, topic: str, handler: Handler) -> None:
        """Call ``handler`` for every event of ``topic``, or of all below it where it ends in ``.*``."""
        self._handlers[topic].append(handler)

    def into(self, sink: Sink) -> None:
        """Let ``sink`` have every event of its topics, after their handlers, a batch at a time."""
        self._sinks.append(sink)

    def handlers(self, topic: str) -> list[Handler]:
        """Find the handlers of a topic."""
        return [*self._handlers[topic], *self._handlers[_family(topic)]]

    async def run_once(self, pool: Pool) -> int:
        """Handle one batch; the count of events handled, so that a caller goes on until it is zero.

        One worker at a time has the turn, which keeps the order; a worker that finds it taken returns zero. A batch is
        tried as one; only where something in it fails is each event tried by itself.
        """
        try:
            return await self._run(pool, self._handle_batch)
        except Exception:  # noqa: BLE001 -- which event failed is found below; here only that the batch did
            _log.warning("outbox batch failed; its events are tried one by one")
            return await self._run(pool, self._handle_one_by_one)

    async def _run(self, pool: Pool, handle: _Handle) -> int:
        async with transaction(pool) as connection:
            turn = await (await connection.execute(_SQL["take_turn"])).fetchone()
            if turn is None or not turn["mine"]:
                return 0
            rows = await (await connection.execute(_SQL["claim"], [BATCH])).fetchall()
            if not rows:
                return 0
            done = await handle(connection, [OutboxEvent(**row) for row in rows])
            await connection.execute(_SQL["mark_handled"], [done])
        return len(done)

    async def _handle_batch(self, connection: Connection, events: list[OutboxEvent]) -> list[int]:
        for event in events:
            with on_behalf_of(event.request_id):
                for handler in self.handlers(event.topic):
                    await handler(connection, event)
        for sink in self._sinks:
            prepared = [sink.prepare(event) for event in events if _wants(sink, event)]
            if items := [item for item in prepared if item is not None]:
                await sink.write(connection, items)
        return [event.id for event in events]

    async def _handle_one_by_one(self, connection: Connection, events: list[OutboxEvent]) -> list[int]:
        done: list[int] = []
        failed: set[str] = set()
        for event in events:
            if event.key in failed:
                continue
            try:
                async with connection.transaction():
                    done += await self._handle_batch(connection, [event])
            except Exception:  # noqa: BLE001 -- whatever a handler raises, the event stays; nothing may be lost
                _log.exception("outbox event failed", event_id=event.id, topic=event.topic, key=event.key)
                await connection.execute(_SQL["postpone"], [event.id])
                failed.add(event.key)
        return done


_Handle = Callable[[Connection, list[OutboxEvent]], Awaitable[list[int]]]


def _family(topic: str) -> str:
    return topic.partition(".")[0] + ".*"


def _wants(sink: Sink, event: OutboxEvent) -> bool:
    return event.topic in sink.topics or _family(event.topic) in sink.topics
