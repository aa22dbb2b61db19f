"""An outbox event that is handled again, after a worker died with its commit under way, is done with at once."""

from __future__ import annotations

from pathlib import Path

from tests.fixtures.postgres import Database
from tests.integration.webhooks.test_delivery import endpoint, make_stage


async def test_a_repeated_event_neither_makes_a_fact_nor_waits_for_ever(pg: Database, tmp_path: Path) -> None:
    async with make_stage(pg, tmp_path) as stage:
        await endpoint(stage, "http://127.0.0.1:1/hooks")
        await stage.tell("invoice.paid", "inv_1")
        pg.execute("UPDATE outbox_event SET handled_at = NULL")
        await stage.tell("invoice.expired", "inv_1")
        assert pg.execute("SELECT count(*) FROM outbox_event WHERE handled_at IS NULL") == [(0,)]
        facts = pg.execute("SELECT type, sequence FROM webhook_event ORDER BY sequence")
        assert facts == [("invoice.paid", 1), ("invoice.expired", 2)]
        assert pg.execute("SELECT count(*) FROM webhook_delivery") == [(2,)]
