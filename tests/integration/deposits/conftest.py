"""A small platform on a real PostgreSQL, and the pen of a watcher."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from strongroom.infra.database import make_pool
from tests.fixtures.postgres import Database
from tests.integration.deposits.bank import Bank
from tests.integration.deposits.feed import Feed
from tests.integration.wallets.key_sets import chain_settings


@pytest.fixture
async def bank(pg: Database) -> AsyncIterator[Bank]:
    async with (
        make_pool(pg.dsn("worker"), size=4, name="worker") as worker,
        make_pool(pg.dsn("treasury"), size=2, name="treasury") as treasury,
    ):
        yield await Bank.open(pg, worker, treasury, chain_settings())


@pytest.fixture
def feed(pg: Database) -> Iterator[Feed]:
    feed = Feed.start(pg.dsn("watcher"))
    yield feed
    feed.close()
