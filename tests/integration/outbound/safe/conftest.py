"""A world per test: database, anvil with Safes, signers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.fixtures.ethereum import DevNode
from tests.fixtures.postgres import Database
from tests.integration.outbound.safe.world import Place, SafeWorld, make_place, make_signer_folder, make_world
from tests.integration.signer.processes import SignerProcess, running


@pytest.fixture
def place(fresh_ethereum_node: DevNode) -> Place:
    """Safes, tokens and the allowance, deployed."""
    return make_place(fresh_ethereum_node)


@pytest.fixture
def safe_signers(scratch: Path, place: Place) -> Iterator[tuple[SignerProcess, SignerProcess]]:
    """Signers A and B, each in a folder and process of its own."""
    root = Path(tempfile.mkdtemp(prefix="s", dir=scratch))
    folders = [make_signer_folder(root, name, place) for name in ("A", "B")]
    with running(folders[0]) as first, running(folders[1]) as second:
        yield first, second
    shutil.rmtree(root)


@pytest.fixture
async def world(
    pg: Database, place: Place, safe_signers: tuple[SignerProcess, SignerProcess], tmp_path: Path
) -> AsyncIterator[SafeWorld]:
    """Everything, running."""
    async with make_world(pg, place, safe_signers, tmp_path) as made:
        yield made
