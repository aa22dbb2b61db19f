"""A signer over a real journal, for one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.signer.books_kit import HOUSE_PLACE, World
from tests.unit.signer.kit import SATS, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def new(*off: str, **changes: int) -> World:
        folder = tmp_path / f"signer {len(made)}"
        folder.mkdir()
        made.append(World(folder, off, changes=changes))
        return made[-1]

    yield new
    for item in made:
        item.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A signer with books of its own, and a house with 1 BTC."""
    made = make_world()
    made.fund(SATS, HOUSE_PLACE)
    return made
