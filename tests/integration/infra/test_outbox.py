"""The outbox: every event handled, in order per object, exactly once in the database, whatever fails."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from strongroom.infra.database import Connection, Pool, make_pool, transaction
from strongroom.infra.outbox import Dispatcher, OutboxEvent, Sink, publish, publish_many
from strongroom.infra.telemetry import current_request_id, on_behalf_of
from tests.fixtures.postgres import Database


async def drain(dispatcher: Dispatcher, pg: Database) -> None:
    async with make_pool(pg.dsn("worker"), size=2) as pool:
        while await dispatcher.run_once(pool):
            pass


async def put(pg: Database, *events: tuple[str, str, dict[str, Any]]) -> None:
    async with make_pool(pg.dsn("api"), size=1) as pool, transaction(pool) as connection:
        await publish_many(connection, events)


async def test_handlers_of_a_topic_and_of_its_family_get_every_event_in_order(pg: Database):
    seen: list[tuple[str, str, int]] = []

    async def note(_connection: Connection, event: OutboxEvent) -> None:
        seen.append((event.topic, event.key, event.payload["n"]))

    dispatcher = Dispatcher()
    dispatcher.on("a.x", note)
    dispatcher.on("b.*", note)
    await put(pg, ("a.x", "1", {"n": 1}), ("a.y", "1", {"n": 2}), ("b.z", "2", {"n": 3}), ("a.x", "1", {"n": 4}))
    await drain(dispatcher, pg)
    assert seen == [("a.x", "1", 1), ("b.z", "2", 3), ("a.x", "1", 4)]
    assert pg.execute("SELECT count(*) FROM outbox_event WHERE handled_at IS NULL") == [(0,)]


async def test_an_event_that_fails_waits_and_holds_back_only_its_own_object(pg: Database):
    handled: list[str] = []
    broken = {"bad"}

    async def handle(connection: Connection, event: OutboxEvent) -> None:
        await connection.execute("SELECT 1")
        if event.key in broken:
            await connection.execute("SELECT 1 / 0")
        handled.append(f"{event.key}{event.payload['n']}")

    dispatcher = Dispatcher()
    dispatcher.on("t.x", handle)
    await put(
        pg, ("t.x", "bad", {"n": 1}), ("t.x", "good", {"n": 1}), ("t.x", "bad", {"n": 2}), ("t.x", "good", {"n": 2})
    )
    await drain(dispatcher, pg)
    assert sorted(set(handled)) == ["good1", "good2"]
    broken.clear()
    pg.execute("UPDATE outbox_event SET retry_at = now()")
    await drain(dispatcher, pg)
    assert handled[-2:] == ["bad1", "bad2"]


async def test_what_a_failed_batch_wrote_is_gone_and_what_a_good_event_wrote_stands_once(pg: Database):
    pg.execute("CREATE TABLE written (key text); GRANT ALL ON written TO strongroom_worker")

    async def handle(connection: Connection, event: OutboxEvent) -> None:
        await connection.execute("INSERT INTO written VALUES (%s)", [event.key])
        if event.key == "bad":
            message = "no"
            raise RuntimeError(message)

    dispatcher = Dispatcher()
    dispatcher.on("t.x", handle)
    await put(pg, ("t.x", "one", {}), ("t.x", "bad", {}), ("t.x", "two", {}))
    await drain(dispatcher, pg)
    assert pg.execute("SELECT key FROM written ORDER BY key") == [("one",), ("two",)]


async def test_a_sink_gets_a_batch_at_once_and_after_a_failure_the_good_ones_one_by_one(pg: Database):
    batches: list[list[str]] = []

    async def write(_connection: Connection, items: Any) -> None:
        batches.append(list(items))
        if "bad" in items:
            message = "no"
            raise RuntimeError(message)

    dispatcher = Dispatcher()
    dispatcher.into(Sink(("t.*",), lambda event: event.key or None, write))
    await put(pg, ("t.x", "one", {}), ("t.x", "two", {}), ("u.x", "other", {}))
    await drain(dispatcher, pg)
    assert batches == [["one", "two"]]
    batches.clear()
    await put(pg, ("t.x", "three", {}), ("t.x", "bad", {}), ("t.x", "four", {}))
    await drain(dispatcher, pg)
    assert batches == [["three", "bad", "four"], ["three"], ["bad"], ["four"]]


async def test_an_event_of_a_rolled_back_transaction_is_never_seen(pg: Database):
    async with make_pool(pg.dsn("api"), size=1) as pool:
        with pytest.raises(psycopg.errors.DivisionByZero):
            await _publish_and_fail(pool)
    assert pg.execute("SELECT count(*) FROM outbox_event") == [(0,)]


async def test_while_one_worker_has_the_turn_another_finds_nothing(pg: Database):
    found: list[int] = []
    dispatcher = Dispatcher()
    async with make_pool(pg.dsn("worker"), size=2) as pool:

        async def handle(_connection: Connection, _event: OutboxEvent) -> None:
            found.append(await Dispatcher().run_once(pool))

        dispatcher.on("t.x", handle)
        await put(pg, ("t.x", "k", {}))
        assert await dispatcher.run_once(pool) == 1
    assert found == [0]


async def test_the_request_id_of_the_writer_is_in_the_logs_of_the_handlers(pg: Database):
    seen: list[str] = []

    async def handle(_connection: Connection, _event: OutboxEvent) -> None:
        seen.append(current_request_id())

    dispatcher = Dispatcher()
    dispatcher.on("t.x", handle)
    with on_behalf_of("req_mine"):
        await put(pg, ("t.x", "k", {}))
    await drain(dispatcher, pg)
    assert seen == ["req_mine"]


async def _publish_and_fail(pool: Pool) -> None:
    async with transaction(pool) as connection:
        await publish(connection, "t.x", "k", {})
        await connection.execute("SELECT 1 / 0")
