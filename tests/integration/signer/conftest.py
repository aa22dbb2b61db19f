"""Two signers as two real processes, in a folder of their own in memory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.signer.processes import SignerProcess, make_folder, running


@pytest.fixture
def root(scratch: Path) -> Iterator[Path]:
    """A short path: a Unix socket's address has 107 characters at most."""
    folder = Path(tempfile.mkdtemp(prefix="s", dir=scratch))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def signers(root: Path) -> Iterator[tuple[SignerProcess, SignerProcess]]:
    """Signer A and signer B."""
    with running(make_folder(root, "A")) as first, running(make_folder(root, "B")) as second:
        yield first, second
