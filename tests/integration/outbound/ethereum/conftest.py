"""A world per test: database, node that mines when told, two relayers with gas."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fixtures.ethereum import EthereumNodeFactory
from tests.fixtures.postgres import Database
from tests.integration.outbound.ethereum.world import RelayWorld, make_world


@pytest.fixture
async def world(pg: Database, make_ethereum_node: EthereumNodeFactory, tmp_path: Path) -> AsyncIterator[RelayWorld]:
    """Everything, running."""
    async with make_world(pg, make_ethereum_node(automine=False), tmp_path) as made:
        yield made
