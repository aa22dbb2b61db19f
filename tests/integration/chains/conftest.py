from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fixtures.bitcoin import MiningNode
from tests.fixtures.ethereum import DevNode
from tests.fixtures.ethereum_house import EthereumHouse
from tests.fixtures.postgres import Database
from tests.integration.chains.evm_support import EvmScene, evm_scene_of
from tests.integration.chains.support import Scene, scene_of


@pytest.fixture
async def scene(fresh_bitcoin_node: MiningNode, pg: Database) -> AsyncIterator[Scene]:
    async with scene_of(fresh_bitcoin_node, pg) as made:
        yield made


@pytest.fixture
async def evm(fresh_ethereum_node: DevNode, pg: Database) -> AsyncIterator[EvmScene]:
    house = EthereumHouse(fresh_ethereum_node)
    house.deploy_all()
    async with evm_scene_of(house, pg) as made:
        yield made
