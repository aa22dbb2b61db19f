r"""Our own format: a CSV whose first lines say whose list it is, then one tag a row.

```
# strongroom tags 1
# source: US Treasury, OFAC: Specially Designated Nationals List
# as_of: 2025-11-19
chain,address,label,category,actor,source,source_date,confidence,licence,uri,currency,note
```

``chain`` is CAIP-2; a row without it says ``currency`` instead. Any column but ``address`` may be missing or empty, and
is then what the head or the importer says. Written with ``\n`` and sorted, so that the same tags are the same bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from datetime import date
from itertools import takewhile
from pathlib import Path
from typing import Final

from strongroom_tracing.tags.errors import BadListError
from strongroom_tracing.tags.imports.reading import NOTHING, Gathering, Given, day, whole_text
from strongroom_tracing.tags.model import CONFIDENCE_MAX, Category, Problem, Tag

_FIRST: Final = "# strongroom tags 1"
_COLUMNS: Final = tuple(column.name for column in fields(Tag))


def read(path: Path, given: Given = NOTHING, *, problems: list[Problem] | None = None) -> list[Tag]:
    """Read a list of our own format; its head goes before what is given.

    Raises ``BadListError`` for other columns, a bad head, or no date; ``BadLinesError`` on bad lines that nobody takes.
    """
    text = io.StringIO(whole_text(path), newline="")
    head = list(takewhile(lambda line: line.startswith("#"), text))
    text.seek(sum(map(len, head)))
    rows = csv.DictReader(text, restval="", restkey="")
    gathering = Gathering(path, _headed(path, head, given))
    try:
        _check_columns(path, rows.fieldnames or ())
        for row in rows:
            _row(gathering, rows.line_num + len(head), row)
    except csv.Error as error:
        message = f"{path.name} is no CSV: {error}"
        raise BadListError(message) from error
    return gathering.done(problems)


def write(path: Path, tags: Iterable[Tag], *, source: str, as_of: date, notes: Iterable[str] = ()) -> None:
    """Write tags as our own format: sorted, each once, the head first, notes as comments."""
    text = io.StringIO()
    text.write(f"{_FIRST}\n# source: {source}\n# as_of: {as_of.isoformat()}\n")
    text.writelines(f"# {note}\n" for note in notes)
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted((asdict(tag) for tag in set(tags)), key=lambda row: [str(value) for value in row.values()]))
    path.write_text(text.getvalue(), encoding="utf-8")


def _check_columns(path: Path, columns: Iterable[str]) -> None:
    unknown = sorted(set(columns) - set(_COLUMNS))
    if unknown or "address" not in columns:
        message = f"{path.name}: the columns are {', '.join(_COLUMNS)}; address is needed, {unknown} are not known"
        raise BadListError(message)


def _headed(path: Path, head: Iterable[str], given: Given) -> Given:
    parts = (line[1:].strip().partition(": ") for line in head)
    said = {name: value for name, colon, value in parts if colon}
    if "as_of" in said:
        as_of = day(said["as_of"])
        if as_of is None:
            message = f"{path.name}: as_of {said['as_of']!r} is no date"
            raise BadListError(message)
        given = replace(given, as_of=as_of)
    return replace(given, source=said.get("source", given.source), licence=said.get("licence", given.licence))


def _row(gathering: Gathering, line: int, row: Mapping[str, str]) -> None:
    category, confidence = row.get("category", ""), row.get("confidence", "")
    said_day = row.get("source_date", "")
    address = row["address"]
    if category and category not in set(Category):
        gathering.refuse(line, address, f"category {category!r} is none of: {', '.join(Category)}")
    elif confidence and not (confidence.isdecimal() and confidence.isascii() and int(confidence) <= CONFIDENCE_MAX):
        gathering.refuse(line, address, f"confidence {confidence!r} is no whole number up to {CONFIDENCE_MAX}")
    elif said_day and day(said_day) is None:
        gathering.refuse(line, address, f"source_date {said_day!r} is no date")
    else:
        gathering.put(
            line,
            address,
            chain=row.get("chain", ""),
            currency=row.get("currency", ""),
            label=row.get("label", ""),
            category=Category(category) if category else Category.OTHER,
            actor=row.get("actor", ""),
            source=row.get("source", ""),
            source_date=day(said_day),
            confidence=int(confidence) if confidence else None,
            licence=row.get("licence", ""),
            uri=row.get("uri", ""),
            note=row.get("note", ""),
        )
