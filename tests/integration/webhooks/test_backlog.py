"""What waits for an endpoint that takes nothing costs a claim nothing: the rows that a claim looks at are counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from strongroom.infra.database import transaction
from strongroom.webhooks import service, store
from strongroom.webhooks.jobs import CLAIM_MAX, PER_ENDPOINT, PER_ENDPOINT_CLAIM
from tests.fixtures.postgres import Database
from tests.integration.webhooks.test_delivery import Stage, endpoint, make_stage, merchant_server

BACKLOG = 3_000
WAITING = """
WITH told AS (
    INSERT INTO outbox_event (topic, key, payload, request_id, handled_at)
    SELECT 'invoice.paid', 'inv_' || number, '{}', '', now() FROM generate_series(1, %s::integer) AS number
    RETURNING id
), fact AS (
    INSERT INTO webhook_event (merchant_id, id, type, object_id, sequence, body, source_event)
    SELECT %s::text, 'evt_' || %s || id, 'invoice.paid', 'inv_' || id, 1, '{}', id FROM told RETURNING id
)
INSERT INTO webhook_delivery (merchant_id, id, endpoint_id, event_id, next_attempt_at)
SELECT %s::text, 'dlv_' || id, %s::text, id, now() - interval '1 hour' FROM fact
"""


def wait_for(pg: Database, stage: Stage, endpoint_id: str, count: int) -> None:
    """Deliveries that are due at an endpoint for an hour, and were never made."""
    pg.execute(WAITING, count, stage.merchant_id, endpoint_id, stage.merchant_id, endpoint_id)
    pg.execute("ANALYZE webhook_delivery")


def more_endpoints(pg: Database, stage: Stage, count: int) -> list[str]:
    query = """
    INSERT INTO webhook_endpoint (id, merchant_id, url, digest)
    SELECT 'whe_' || number, %s::text, 'http://127.0.0.1:1/', '' FROM generate_series(1, %s) AS number RETURNING id
    """
    return [str(row[0]) for row in pg.execute(query, stage.merchant_id, count)]


async def claim_plan(stage: Stage, *saturated: str) -> dict[str, Any]:
    """Run a claim as the worker does, explain it, and take it back."""
    values = {"limit": CLAIM_MAX, "per_endpoint": PER_ENDPOINT_CLAIM, "saturated": list(saturated)}
    query = "EXPLAIN (ANALYZE, FORMAT JSON) " + store._SQL["claim"]
    async with transaction(stage.worker) as connection, connection.transaction(force_rollback=True):
        row = await (await connection.execute(query, values | {"lease": timedelta(minutes=1)})).fetchone()
    assert row is not None
    plan: dict[str, Any] = row["QUERY PLAN"][0]
    return plan


def looked_at(node: dict[str, Any]) -> Iterator[float]:
    """The rows of deliveries that each scan of a plan has read, those included that it threw away."""
    if node.get("Relation Name") == "webhook_delivery" and node["Node Type"].endswith("Scan"):
        kept = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        yield node["Actual Loops"] * kept
    for inner in node.get("Plans", ()):
        yield from looked_at(inner)


async def rows_of_a_claim(stage: Stage, *saturated: str) -> float:
    return sum(looked_at((await claim_plan(stage, *saturated))["Plan"]))


async def change(stage: Stage, endpoint_id: str, *, enabled: bool) -> None:
    async with transaction(stage.api) as connection:
        await service.update_endpoint(connection, stage.merchant_id, endpoint_id, enabled=enabled, allow_private=True)


async def test_a_claim_looks_at_no_more_for_all_that_waits_at_a_disabled_endpoint(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage, merchant_server() as server:
        disabled, enabled = await endpoint(stage, server.url), await endpoint(stage, server.url)
        await change(stage, disabled, enabled=False)
        wait_for(pg, stage, enabled, 3)
        before = await rows_of_a_claim(stage)
        wait_for(pg, stage, disabled, BACKLOG)
        # Each of the three is found, locked and changed; a row at most is looked at to see that the disabled one waits.
        assert 3 <= before <= 4 * 3 + 4
        assert await rows_of_a_claim(stage) <= before + 4

        await stage.deliver()
        assert len(server.received) == 3
        await change(stage, disabled, enabled=True)
        await stage.deliver()
        assert len(server.received) == 3 + PER_ENDPOINT
        waiting = pg.execute("SELECT count(*) FROM webhook_delivery WHERE state = 'pending'")
        assert waiting == [(BACKLOG - PER_ENDPOINT,)]


async def test_a_claim_looks_at_its_share_alone_of_what_waits_at_a_slow_endpoint(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage, merchant_server() as server:
        slow, other = await endpoint(stage, server.url), await endpoint(stage, server.url)
        wait_for(pg, stage, slow, BACKLOG)
        wait_for(pg, stage, other, 3)
        assert await rows_of_a_claim(stage) <= 4 * (PER_ENDPOINT_CLAIM + 3) + 8
        # While it has its share, it is passed over as a whole.
        assert await rows_of_a_claim(stage, slow) <= 4 * 3 + 8


async def test_a_claim_looks_at_a_bounded_number_of_rows_where_something_waits_everywhere(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage:
        endpoints = more_endpoints(pg, stage, 60)
        for endpoint_id in endpoints:
            wait_for(pg, stage, endpoint_id, 70)
        # Some 2,000 are found and looked up; what is claimed of them is locked and changed.
        assert await rows_of_a_claim(stage) <= 2 * 2_000 + 4 * CLAIM_MAX
        async with transaction(stage.worker) as connection:
            lease = timedelta(minutes=1)
            claimed = await store.claim(connection, CLAIM_MAX, PER_ENDPOINT_CLAIM, endpoints[:1], lease)
        assert len(claimed) == CLAIM_MAX
        assert endpoints[0] not in {item.endpoint_id for item in claimed}
