from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.fixtures.postgres import Database
from tests.integration.api.stage import Stage, open_stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(pg_module: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The API process with its pages, over real HTTP, for all tests of a module."""
    async with open_stage(pg_module, tmp_path_factory.mktemp("pages")) as opened:
        yield opened
