"""A world per test: database, node, signers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.fixtures.bitcoin import MiningNode
from tests.fixtures.postgres import Database
from tests.integration.outbound.world import World, make_world
from tests.integration.signer.processes import SignerProcess, make_folder, running


@pytest.fixture
def signer_processes(scratch: Path) -> Iterator[tuple[SignerProcess, SignerProcess]]:
    """Signers A and B, each in a folder and process of its own."""
    root = Path(tempfile.mkdtemp(prefix="o", dir=scratch))
    folders = [make_folder(root, name) for name in ("A", "B")]
    for folder in folders:
        folder.merchants.unlink()  # the tests enrol merchants of their own
    with running(folders[0]) as first, running(folders[1]) as second:
        yield first, second
    shutil.rmtree(root)


@pytest.fixture
async def world(
    pg: Database, fresh_bitcoin_node: MiningNode, signer_processes: tuple[SignerProcess, SignerProcess]
) -> AsyncIterator[World]:
    """Everything, running."""
    async with make_world(pg, fresh_bitcoin_node, signer_processes) as made:
        yield made
