"""The lists that come with this package: dated copies in our own format, so that the first answer needs no network."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

from strongroom_tracing.tags.imports.formats import Format
from strongroom_tracing.tags.imports.reading import NOTHING
from strongroom_tracing.tags.service import import_list
from strongroom_tracing.tags.store import TagStore

FOLDER: Final = Path(__file__).resolve().parent.parent / "data"
FILES: Final = {"fbi-bybit": date(2025, 2, 26), "ofac-sdn": date(2025, 11, 19)}  # of which day each copy is


def install(store: TagStore) -> tuple[str, ...]:
    """Put the copies into a store that has no list of their name as new.

    Give the names of those that were put there.
    """
    there = {info.name: info.as_of for info in store.lists()}
    missing = tuple(name for name, day in FILES.items() if name not in there or there[name] < day)
    for name in missing:
        import_list(store, name, Format.CSV, file_of(name), NOTHING)
    return missing


def file_of(name: str) -> Path:
    """Give the file of a copy."""
    return FOLDER / f"{name}-{FILES[name].isoformat()}.csv"
