"""A client above its limit is stopped, told when to come back, and does not stop anybody else."""

from __future__ import annotations

import time
from pathlib import Path

from tests.fixtures.postgres import Database
from tests.integration.api.stage import open_stage


async def test_a_client_above_its_limit_is_told_when_to_come_back(pg: Database, tmp_path: Path):
    async with open_stage(pg, tmp_path, rate_limit_per_minute=3) as stage:
        async with stage.client() as client:
            began = time.monotonic()
            answers = [await client.get("/v1/merchant") for _ in range(6)]
            granted_later = int((time.monotonic() - began) / 20)  # where this machine took so long
        told = [answer.status_code for answer in answers]
        assert told[:3] == [200, 200, 200]
        assert told[3:].count(429) >= 3 - granted_later
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["code"] == "rate-limited"
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert refused.headers["ratelimit-remaining"] == "0"
        async with stage.client(stage.other.token) as other:
            assert (await other.get("/v1/merchant")).status_code == 200
