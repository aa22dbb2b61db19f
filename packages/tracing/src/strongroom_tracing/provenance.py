"""What an answer rests on: the data, the method, the marks, the lists; as canonical JSON with a hash.

The same question to the same data gives the same bytes: no clock stands in it. How old a list is follows from a day
that the caller names. Canonical: UTF-8, keys sorted, no blanks, no floats; base units as decimal text, since JSON's
numbers are doubles to many readers (RFC 8259, section 6).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, Protocol

from strongroom_tracing.errors import TracingError
from strongroom_tracing.tags.model import ListInfo

FORMAT: Final = "strongroom-trace/1"
_PACKAGE: Final = "strongroom-tracing"


class InexactValueError(TracingError):
    """A float, or another thing that has no exact text, where an answer has to be the same bytes everywhere."""

    code = "value-inexact"


class Data(Protocol):
    """What provenance asks of an index, of coins or of accounts."""

    @property
    def chain(self) -> str:
        """The CAIP-2 id of the chain."""

    def dataset_hash(self, height: int) -> str:
        """Name the data up to a height."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Everything that one needs to get the same answer again.

    ``method`` and ``parameters`` hold texts, whole numbers, None and lists of them; ``marks`` stand in the order of
    report. ``lists`` were checked, whether they said anything or not; ``tags_hash`` names their content. ``tool``:
    this one where empty.
    """

    chain: str
    height: int
    block_hash: str
    dataset_hash: str
    method: Mapping[str, Any]
    parameters: Mapping[str, Any]
    marks: tuple[Mapping[str, Any], ...]
    tags_hash: str = ""
    lists: tuple[ListInfo, ...] = ()
    tool: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON's own types."""
        return {
            "format": FORMAT,
            "tool": self.tool or tool_name(),
            "chain": self.chain,
            "height": self.height,
            "block_hash": self.block_hash,
            "dataset_hash": self.dataset_hash,
            "method": dict(self.method),
            "parameters": dict(self.parameters),
            "marks": [dict(mark) for mark in self.marks],
            "tags_hash": self.tags_hash,
            "lists": [_list_json(item) for item in sorted(self.lists, key=lambda item: item.name)],
        }

    def canonical(self) -> bytes:
        """Give the bytes that ``sha256`` is of. Raises ``InexactValueError``."""
        return canonical_json(self.as_json())

    @property
    def sha256(self) -> str:
        """Name what this answer rests on, in hex."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def ages(self, on: date) -> tuple[tuple[ListInfo, int], ...]:
        """Give each list that was checked and its age in days on a day; one of a later day has a negative age."""
        return tuple((item, (on - item.as_of).days) for item in sorted(self.lists, key=lambda item: item.name))


@cache
def tool_name() -> str:
    """Name this program and its release."""
    try:
        return f"{_PACKAGE} {version(_PACKAGE)}"
    except PackageNotFoundError:  # run from a folder that nobody installed
        return f"{_PACKAGE} (not installed)"


def canonical_json(value: Any) -> bytes:
    """Write JSON in the one way that it can be written here.

    Raises ``InexactValueError`` for floats and foreign types.
    """
    _check(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _check(value: Any) -> None:
    if value is None or type(value) in (str, int, bool):
        return
    if isinstance(value, dict):
        _check_all(value.keys(), texts=True)
        _check_all(value.values())
    elif isinstance(value, list | tuple):
        _check_all(value)
    else:
        message = f"{value!r} ({type(value).__name__}) has no exact JSON; give text or whole numbers"
        raise InexactValueError(message)


def _check_all(values: Iterable[Any], *, texts: bool = False) -> None:
    for value in values:
        if texts and type(value) is not str:
            message = f"{value!r} cannot be a key of canonical JSON; give text"
            raise InexactValueError(message)
        _check(value)


def _list_json(item: ListInfo) -> dict[str, Any]:
    """Leave out when it was fetched: that is a clock's word, and the same list fetched again is the same list."""
    return {
        "name": item.name,
        "source": item.source,
        "as_of": item.as_of.isoformat(),
        "tags": item.tags,
        "sha256": item.sha256,
        "licence": item.licence,
    }
