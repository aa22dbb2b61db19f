from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fixtures.bitcoin import MiningNode
from tests.fixtures.postgres import Database
from tests.integration.chains.support import Scene, scene_of


@pytest.fixture
async def scene(fresh_bitcoin_node: MiningNode, pg: Database) -> AsyncIterator[Scene]:
    async with scene_of(fresh_bitcoin_node, pg) as made:
        yield made
