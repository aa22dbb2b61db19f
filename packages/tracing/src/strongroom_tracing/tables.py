"""What commands tell beside the answers of traces, as Arrow tables: status, marks, watched moves, tags.

An answer's own tables stand in ``Result.tables``; those of clusters, exposure and account chains in their rooms. Base
units are text here, since a mark or move may be of any asset (uint256).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any, Final

import pyarrow as pa

from strongroom_tracing.accounts.model import Status
from strongroom_tracing.index.model import IndexStatus
from strongroom_tracing.marks.model import CaseMark
from strongroom_tracing.tags.model import Answered, ListAge, Tag
from strongroom_tracing.watching import Line

_TYPES: Final[Mapping[str, Any]] = {
    "number": pa.int64(),
    "height": pa.int64(),
    "through": pa.int64(),
    "confidence": pa.int64(),
    "tags": pa.int64(),
    "days": pa.int64(),
    "reported": pa.date32(),
    "source_date": pa.date32(),
    "as_of": pa.date32(),
}
_MARK: Final = ("claim", "chain", "place", "where", "asset", "amount", "through", "reporter", "reference", "reported")
_PLACE: Final = ("chain", "height", "block", "txid", "transfer", "from", "to", "address", "asset")
_MOVE: Final = ("number", "event", "id", *_PLACE, "service", "claim", "value", "was_value", "was_service")
_TAG: Final = tuple(field.name for field in fields(Tag))
_LIST: Final = ("name", "source", "as_of", "days", "tags", "licence", "sha256")


def status_table(*found: IndexStatus | Status) -> pa.Table:
    """Say how far indexes are, a row for each; columns are those of the status, its tip as height and hash."""
    rows = []
    for one in found:
        row = asdict(one)
        if isinstance(one, IndexStatus):
            del row["tip"]
            row |= {"height": one.tip.height if one.tip else None, "hash": one.tip.hash if one.tip else None}
        rows.append(row)
    return pa.Table.from_pylist(rows)


def marks_table(marks: Iterable[CaseMark]) -> pa.Table:
    """Give a case's marks in the order of report, numbered from 1; ``amount`` null: all of it."""
    rows = [
        {"number": number, **mark.as_json(), "reported": mark.reported} for number, mark in enumerate(marks, start=1)
    ]
    return _table(("number", *_MARK), rows)


def moves_table(lines: Iterable[Line]) -> pa.Table:
    """Give the lines of a watch's log; ``was_`` is what was told before of a move that is revised.

    Chains of coins name outputs in ``from`` and ``to`` and fill ``address``, account chains ``transfer`` and ``asset``.
    """
    rows = []
    for line in lines:
        was = line.move.get("was") or {}
        rows.append(line.as_json() | {"was_value": was.get("value"), "was_service": was.get("service")})
    return _table(_MOVE, rows)


def tags_table(answered: Answered) -> pa.Table:
    """Give all that lists say of an address; ``lists_table`` has which lists were asked."""
    return _table(("list", *_TAG), [{"list": one.list_name, **asdict(one.tag)} for one in answered.tags])


def lists_table(lists: Iterable[ListAge]) -> pa.Table:
    """Give the lists that were checked, and their ages in days."""
    return _table(_LIST, [{**asdict(one.info), "days": one.days} for one in lists])


def _table(names: tuple[str, ...], rows: list[dict[str, Any]]) -> pa.Table:
    schema = pa.schema([(name, _TYPES.get(name, pa.string())) for name in names])
    return pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows], schema=schema)
