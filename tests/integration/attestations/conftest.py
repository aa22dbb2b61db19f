from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fixtures.postgres import Database
from tests.integration.attestations.desk import Desk, open_desk
from tests.integration.signer.processes import make_folder, running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(pg_module: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """The API and two real signers with its key sets, for all tests of a module; each makes merchants of its own."""
    root = Path(tempfile.mkdtemp(prefix="at"))  # short: the signers' sockets are in it
    folders = [make_folder(root, name) for name in ("A", "B")]
    for folder in folders:
        folder.merchants.unlink()
    with running(folders[0]) as first, running(folders[1]) as second:
        async with open_desk(pg_module, tmp_path_factory.mktemp("desk"), (first, second)) as opened:
            yield opened
    shutil.rmtree(root)
