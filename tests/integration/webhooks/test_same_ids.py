"""Two merchants whose payouts share an id: each is told of its own alone, in a numbering of its own."""

from __future__ import annotations

from pathlib import Path

from strongroom.infra.database import transaction
from strongroom.merchants.service import create_merchant
from strongroom.webhooks import service
from tests.fixtures.postgres import Database
from tests.integration.webhooks.test_delivery import make_stage

PAYOUT = f"pay_{26 * '1'}"


async def test_events_of_one_id_are_numbered_for_each_merchant(pg: Database, tmp_path: Path):
    async with make_stage(pg, tmp_path) as stage:
        first = stage.merchant_id
        async with transaction(stage.api) as connection:
            second = (await create_merchant(connection, "Other")).id
        await stage.tell("payout.queued", "hld_1", id=PAYOUT)
        stage.merchant_id = second
        for topic in ("payout.queued", "payout.planned"):
            await stage.tell(topic, "hld_2", id=PAYOUT)

        async with transaction(stage.api) as connection:
            told = {merchant: await service.list_events(connection, merchant) for merchant in (first, second)}
        seen = {
            merchant: [(item.type, item.object_id, item.sequence) for item in reversed(events)]
            for merchant, events in told.items()
        }
        assert seen == {
            first: [("payout.queued", PAYOUT, 1)],
            second: [("payout.queued", PAYOUT, 1), ("payout.planned", PAYOUT, 2)],
        }
