"""Tags and lists made up for tests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from strongroom_tracing.tags.model import Category, Change, ListInfo, Tag
from strongroom_tracing.tags.store import TagStore

BITCOIN = "bip122:000000000019d6689c085ae165831e93"
ETHEREUM = "eip155:1"
DAY = date(2025, 1, 1)


def evm(number: int) -> str:
    """The canonical EVM address of a number."""
    return f"0x{number:040x}"


def tag(address: str, category: Category = Category.EXCHANGE, label: str = "L", **said: object) -> Tag:
    """A tag on Ethereum of 2025-01-01, unless said otherwise."""
    made = Tag(
        chain=ETHEREUM,
        address=address,
        label=label,
        category=category,
        actor="",
        source="S",
        source_date=DAY,
        confidence=50,
        licence="MIT",
        uri="",
    )
    return replace(made, **said)  # type: ignore[arg-type] # fields of a tag


def info(as_of: date = DAY, source: str = "S") -> ListInfo:
    """What is known of a list."""
    return ListInfo(name="", source=source, as_of=as_of, fetched_at=None, tags=0, sha256="", licence="MIT")


def put(store: TagStore, name: str, tags: Iterable[Tag], as_of: date = DAY) -> Change:
    """Put a list into a store."""
    return store.replace(name, tags, info(as_of))
