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


Handler = Callable[[Connection, OutboxEvent], Awaitable[None]]


async def publish(connection: Connection, topic: str, key: str, payload: dict[str, Any]) -> None:
    """Write one event in the caller's transaction. Amounts in a payload are strings of base units."""
    await publish_many(connection, [(topic, key, payload)])


async def publish_many(connection: Connection, events: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """Write events (topic, key, payload) in one statement, in their order."""
    if events:
        topics, keys, payloads = zip(*events, strict=True)
        await connection.execute(_SQL["publish"], [list(topics), list(keys), [Jsonb(payload) for payload in payloads]])


class Dispatcher:
    """Hands events to handlers; a process registers them, rooms do not know each other's."""

    def __init__(self) -> None:
        """Start without handlers."""
        self._handlers: dict[str, list[Handler]] = defaultdict(list)

    def on(self, topic: str, handler: Handler) -> None:
        """Call ``handler`` for every event of ``topic``, or of all below it where it ends in ``.*``."""
        self._handlers[topic].append(handler)

    def handlers(self, topic: str) -> list[Handler]:
        """Find the handlers of a topic."""
        return [*self._handlers[topic], *self._handlers[topic.partition(".")[0] + ".*"]]

    async def run_once(self, pool: Pool) -> int:
        """Handle one batch; the count of events handled, so that a caller goes on until it is zero.

        One worker at a time has the turn, which keeps the order; a worker that finds it taken returns zero.
        """
        async with transaction(pool) as connection:
            turn = await (await connection.execute(_SQL["take_turn"])).fetchone()
            if turn is None or not turn["mine"]:
                return 0
            rows = await (await connection.execute(_SQL["claim"], [BATCH])).fetchall()
            done = await self._handle_all(connection, [OutboxEvent(**row) for row in rows])
            await connection.execute(_SQL["mark_handled"], [done])
        return len(done)

    async def _handle_all(self, connection: Connection, events: list[OutboxEvent]) -> list[int]:
        done: list[int] = []
        failed: set[str] = set()
        for event in events:
            if event.key in failed:
                continue
            if await self._handle(connection, event):
                done.append(event.id)
            else:
                failed.add(event.key)
        return done

    async def _handle(self, connection: Connection, event: OutboxEvent) -> bool:
        try:
            async with connection.transaction():
                for handler in self.handlers(event.topic):
                    await handler(connection, event)
        except Exception:  # noqa: BLE001 - whatever a handler raises, the event stays and is tried again; nothing may be lost
            _log.exception("outbox event failed", event_id=event.id, topic=event.topic, key=event.key)
            await connection.execute(_SQL["postpone"], [event.id])
            return False
        return True
