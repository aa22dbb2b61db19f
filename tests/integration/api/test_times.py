"""Times are written in one way, wherever they come from."""

from __future__ import annotations

import re

from tests.integration.api.objects import make_objects
from tests.integration.api.stage import Stage


async def test_every_time_is_written_in_one_way(stage: Stage):
    made = await make_objects(stage)
    async with stage.client() as client:
        paths = ("/v1/payouts/{payout_id}", "/v1/deposits/{deposit_id}", "/v1/invoices/{invoice_id}", "/v1/events")
        answers = [(await client.get(made.path(path))).text for path in paths]
    times = [time for answer in answers for time in re.findall(r'"[a-z_]*(?:at|timestamp)":"([^"]+)"', answer)]
    assert len(times) > 10
    assert [time for time in times if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)] == []
