"""What waits to be tried again is not overtaken by what happened later to the same object."""

from __future__ import annotations

from strongroom.infra.database import Connection, make_pool, transaction
from strongroom.infra.outbox import Dispatcher, OutboxEvent, publish_many
from tests.fixtures.postgres import Database


async def test_a_later_event_waits_behind_an_earlier_one_of_its_object(pg: Database) -> None:
    handled: list[tuple[str, int]] = []
    broken = True

    async def handle(connection: Connection, event: OutboxEvent) -> None:
        if broken and event.payload["n"] == 1 and event.key == "a":
            await connection.execute("SELECT 1 / 0")
        if not broken or event.key != "a":
            handled.append((event.key, event.payload["n"]))

    dispatcher = Dispatcher()
    dispatcher.on("t.x", handle)
    async with make_pool(pg.dsn("api"), size=1) as api, make_pool(pg.dsn("worker"), size=2) as worker:
        async with transaction(api) as connection:
            await publish_many(connection, [("t.x", "a", {"n": 1})])
        await dispatcher.run_once(worker)
        async with transaction(api) as connection:
            await publish_many(connection, [("t.x", "a", {"n": 2}), ("t.x", "b", {"n": 3})])
        while await dispatcher.run_once(worker):
            pass
        waiting = pg.execute("SELECT payload->>'n' FROM outbox_event WHERE handled_at IS NULL ORDER BY id")
        assert waiting == [("1",), ("2",)], "the second of a waits although nothing is wrong with it"
        assert set(handled) == {("b", 3)}
        broken = False
        pg.execute("UPDATE outbox_event SET retry_at = now()")
        while await dispatcher.run_once(worker):
            pass
    assert handled[-2:] == [("a", 1), ("a", 2)]
