"""An endpoint's share of a claim is cut by those that take deliveries, not by those that something only waits for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from strongroom.infra.database import transaction
from strongroom.webhooks import store
from strongroom.webhooks.jobs import CLAIM_MAX, PER_ENDPOINT_CLAIM
from tests.fixtures.postgres import Database
from tests.integration.webhooks.test_backlog import more_endpoints, wait_for
from tests.integration.webhooks.test_delivery import make_stage

MANY = 100


async def test_disabled_endpoints_cut_nobodys_share(pg: Database, tmp_path: Path) -> None:
    async with make_stage(pg, tmp_path) as stage:
        # Names of one length: the helper makes the ids of events out of them.
        taking, *others = more_endpoints(pg, stage, 100 + MANY)[99:]
        for other in others:
            wait_for(pg, stage, other, 1)
        wait_for(pg, stage, taking, PER_ENDPOINT_CLAIM)
        pg.execute("UPDATE webhook_endpoint SET enabled = false WHERE id <> %s", taking)

        async with transaction(stage.worker) as connection:
            claimed = await store.claim(connection, CLAIM_MAX, PER_ENDPOINT_CLAIM, [], timedelta(minutes=1))

    assert [item.endpoint_id for item in claimed] == [taking] * PER_ENDPOINT_CLAIM
