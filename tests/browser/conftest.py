"""Real Chromium on a real platform; every page is watched for errors, refused content and foreign requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from strongroom.infra.components.postgres import PostgresCluster
from strongroom.infra.database import make_pool, transaction
from strongroom.infra.settings import load_settings
from tests.browser.house import BAKERY, FLORIST, STRANGER, House, open_house
from tests.browser.watched import Visit, find_chromium, open_page
from tests.fixtures.bitcoin import node_factory
from tests.fixtures.platform import Seller, make_seller
from tests.fixtures.postgres import cloned_database

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def aside(work: Callable[[], Any]) -> Any:
    """Run in a thread of its own: Playwright's synchronous way keeps a loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


@pytest.fixture(scope="session")
def house(postgres_server: PostgresCluster, scratch: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A platform with three merchants and a node of its own, for all tests of the run.

    No other test's node: a watcher starts at the first block, and every test's key sets are the same.
    """
    with ExitStack() as stack:
        database = stack.enter_context(cloned_database(postgres_server))
        node = stack.enter_context(node_factory(scratch))()
        opened = stack.enter_context(open_house(database, node, tmp_path_factory.mktemp("house")))
        opened.sellers.update(aside(lambda: asyncio.run(_sellers(opened))))
        yield opened


async def _sellers(house: House) -> dict[str, Seller]:
    settings = load_settings(house.folder / "strongroom.toml")
    async with make_pool(settings.dsn("api"), size=1) as pool, transaction(pool) as connection:
        return {name: await make_seller(connection, settings, name) for name in (BAKERY, FLORIST, STRANGER)}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for a module, gone before the next: while it is there this thread's event loop counts as running."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, house: House) -> Iterator[Visit]:
    """Open pages: ``visit(path, dark=, size=, faults=, …)``; at the end each must have been blameless."""
    with ExitStack() as stack:
        yield lambda path, **options: stack.enter_context(open_page(chromium, house.base_url, path, **options))


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go."""
    return tmp_path_factory.mktemp("screenshots")
