from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import pytest

from tests.fixtures.postgres import Database
from tests.integration.api.objects import Objects, make_objects
from tests.integration.api.stage import Stage, open_stage


@pytest.fixture(scope="module")
def seeded(pg_module: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Objects]]:
    """A running API with one object of each kind, for tests that are not asynchronous."""
    stack = AsyncExitStack()

    async def start() -> tuple[Stage, Objects]:
        folder = tmp_path_factory.mktemp("contract")
        stage = await stack.enter_async_context(open_stage(pg_module, folder, rate_limit_per_minute=1_000_000))
        return stage, await make_objects(stage)

    with ThreadPoolExecutor(1) as thread, asyncio.Runner() as runner:
        try:
            yield thread.submit(runner.run, start()).result()
        finally:
            thread.submit(runner.run, stack.aclose()).result()
