from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fixtures.postgres import Database
from tests.integration.invoices.shop import Shop, open_shop


@pytest.fixture
async def shop(pg: Database) -> AsyncIterator[Shop]:
    async with open_shop(pg) as opened:
        yield opened
