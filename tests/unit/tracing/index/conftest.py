"""Indexes of these tests lie in memory: they are made durable again and again, which disks take their time for."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def place(scratch: Path) -> Path:
    """A folder of this test alone, in memory."""
    return Path(tempfile.mkdtemp(prefix="index-", dir=scratch))
