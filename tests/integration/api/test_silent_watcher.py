"""A watcher process that was killed says nothing any more: `/readyz` tells, once it has been silent for too long."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import httpx

from tests.fixtures.ethereum import DevNode
from tests.fixtures.ethereum_house import EthereumHouse
from tests.fixtures.platform import running
from tests.fixtures.postgres import Database
from tests.integration.api.stage import Stage, open_stage
from tests.integration.chains.evm_support import settings_for

SECONDS = 90.0
# A watcher speaks every 10 seconds; far more, so that no slow machine makes a living one silent.
SILENT_SECONDS = 600

SILENT = r"{} is silent \(its watcher has not reported for (\d+) seconds; the last word was ok\)"


async def until(client: httpx.AsyncClient, status: int, words: str) -> dict[str, Any]:
    end = time.monotonic() + SECONDS
    while True:
        answer = await client.get("/readyz")
        if answer.status_code == status and words in answer.text:
            return dict(answer.json())
        assert time.monotonic() < end, f"{answer.status_code} {answer.text}"
        await asyncio.sleep(0.1)


async def age(stage: Stage, chain: str, seconds: int) -> None:
    """Let time pass for a watcher's last word; a living one says another within 10 seconds."""
    stage.database.execute(
        "UPDATE chain_status SET updated_at = now() - make_interval(secs => %s) WHERE chain = %s", seconds, chain
    )


async def test_a_killed_watcher_is_told_by_the_chain_and_back_when_it_runs_again(
    pg: Database, fresh_ethereum_node: DevNode, tmp_path: Path
) -> None:
    house = EthereumHouse(fresh_ethereum_node)
    house.deploy_all()
    chain = settings_for(house)
    async with (
        open_stage(pg, tmp_path, more=(chain,), watcher_silent_seconds=SILENT_SECONDS) as stage,
        stage.client("") as client,
    ):
        config, log = tmp_path / "strongroom.toml", tmp_path / "watcher.log"
        with running("watcher", config, log) as watcher:
            await until(client, 200, '"height":')
            # Its word is old for a moment only: it lives.
            await age(stage, chain.id, SILENT_SECONDS + 1)
            await until(client, 200, f'{{"chain":"{chain.id}","status":"ok"')
            watcher.kill()
            watcher.wait()
        await age(stage, chain.id, SILENT_SECONDS - 120)
        assert (await client.get("/readyz")).status_code == 200  # not for too long yet
        await age(stage, chain.id, SILENT_SECONDS + 1)
        told = await until(client, 503, "has not reported for")
        assert told["code"] == "not-ready"
        since = re.search(SILENT.format(chain.id), told["detail"])
        assert since, told["detail"]
        assert int(since[1]) > SILENT_SECONDS
        # Another chain whose watcher speaks keeps the API in service, and this one is named.
        stage.database.execute("UPDATE chain_status SET status = 'ok', updated_at = now() WHERE chain <> %s", chain.id)
        told = await until(client, 200, "degraded")
        assert {item["chain"]: item["status"] for item in told["chains"]}[chain.id] == "silent"
        with running("watcher", config, log):
            await until(client, 200, f'{{"chain":"{chain.id}","status":"ok"')
