"""A database with recorded key sets, as the roles of real processes see it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from strongroom.infra.database import Pool, make_pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.wallets import service
from strongroom_core.ids import MerchantId
from tests.fixtures.postgres import Database
from tests.integration.wallets.key_sets import chain_settings


@pytest.fixture
def chain() -> ChainSettings:
    return chain_settings()


@pytest.fixture
async def worker(pg: Database) -> AsyncIterator[Pool]:
    async with make_pool(pg.dsn("worker"), size=4, name="worker") as pool:
        yield pool


@pytest.fixture
async def api(pg: Database) -> AsyncIterator[Pool]:
    async with make_pool(pg.dsn("api"), size=16, name="api") as pool:
        yield pool


@pytest.fixture
async def treasury(pg: Database) -> AsyncIterator[Pool]:
    async with make_pool(pg.dsn("treasury"), size=2, name="treasury") as pool:
        yield pool


@pytest.fixture
async def merchants(worker: Pool, api: Pool, chain: ChainSettings) -> list[MerchantId]:
    """Three merchants, prepared by the API with small pools."""
    async with transaction(worker) as connection:
        await service.sync_key_sets(connection, chain)
    found = [MerchantId.new() for _ in range(3)]
    async with transaction(api) as connection:
        for number, merchant_id in enumerate(found):
            await service.prepare_merchant(connection, chain, merchant_id, 2 + number, count=10)
    return found
