"""Cursor pagination: a list names the cursor of its next page, newest first, and null at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Protocol, TypeVar

from litestar.params import Parameter

LIMIT_MAX: Final = 100

Cursor = Annotated[
    str | None,
    Parameter(
        query="cursor",
        description="`next_cursor` of the page before",
        required=False,
        pattern="^[a-z]{3}_[0-9a-z]{26}$",
    ),
]
Limit = Annotated[int, Parameter(query="limit", ge=1, le=LIMIT_MAX, description="How many at the most")]


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=_HasId)


def cut(items: Sequence[Item], limit: int) -> tuple[Sequence[Item], str | None]:
    """Cut what was fetched with ``limit + 1`` to the page and its next cursor: the extra item tells of more."""
    shown = items[:limit]
    return shown, str(shown[-1].id) if len(items) > limit else None
