"""An answer as files for other programs: Arrow, Parquet, CSV, JSON or STIX, always with what it rests on."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.feather as pa_feather
import pyarrow.parquet as pa_parquet

from strongroom_tracing.errors import TracingError
from strongroom_tracing.indicators import bundle
from strongroom_tracing.provenance import Provenance, canonical_json
from strongroom_tracing.spreadsheets import write_csv

METADATA_KEY: Final = b"strongroom.provenance"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


class ExportError(TracingError):
    """A place where an answer cannot be written to."""

    code = "export-refused"


class Format(StrEnum):
    """How tables are written."""

    ARROW = "arrow"
    PARQUET = "parquet"
    CSV = "csv"
    JSON = "json"
    STIX = "stix"


def export(
    folder: Path, tables: Mapping[str, pa.Table], provenance: Provenance, form: Format, *, at: datetime | None = None
) -> tuple[Path, ...]:
    """Write each table to a file of its own (JSON and STIX: one file), then what they rest on; same answer, same bytes.

    ``provenance-<format>.json`` comes last and holds the SHA-256 of each file, so that files of two answers, or of an
    export that was stopped, are never taken for one; each format has its own. Arrow and Parquet also hold the
    provenance in their schema's metadata. In CSV no text is a formula or ends a line (``spreadsheets``). Base units are
    integers; in JSON they are text. STIX (of chains of coins) holds indicators alone, of the time ``at``
    (``indicators``). Other files in the folder stay.

    Raises ``ExportError`` where the folder is none.
    """
    if form is Format.STIX and at is None:
        message = "STIX needs the time of the chain's tip"
        raise ExportError(message)
    if folder.exists() and not folder.is_dir():
        message = f"{folder} is a file; name a folder to export to"
        raise ExportError(message)
    folder.mkdir(parents=True, exist_ok=True)
    names = [_checked(name) for name in sorted(tables)]
    basis = folder / provenance_name(form)
    basis.unlink(missing_ok=True)  # of another answer: while the tables change, none of them has its basis there
    if form is Format.JSON:
        data = canonical_json(as_json(tables, provenance)) + b"\n"
        written = [_replace(folder / "answer.json", lambda path: _write_bytes(path, data))]
    elif at is not None and form is Format.STIX:
        data = canonical_json(bundle(tables, provenance, at)) + b"\n"
        written = [_replace(folder / "indicators.stix.json", lambda path: _write_bytes(path, data))]
    else:
        written = [_replace(folder / f"{name}.{form}", _writer(form, tables[name], provenance)) for name in names]
    facts = {
        "provenance": provenance.as_json(),
        "provenance_sha256": provenance.sha256,
        "files": {path.name: _sha256(path) for path in written},
    }
    return (*written, _replace(basis, lambda path: _write_bytes(path, canonical_json(facts) + b"\n")))


def provenance_name(form: Format) -> str:
    """Name the file that says what the files of a format rest on."""
    return f"provenance-{form}.json"


def as_json(tables: Mapping[str, pa.Table], provenance: Provenance) -> dict[str, Any]:
    """Give an answer as JSON's own types.

    Whole numbers of base units as text, since JSON's numbers are doubles to many.
    """
    return {
        "provenance": provenance.as_json(),
        "provenance_sha256": provenance.sha256,
        "tables": {name: rows_of(table) for name, table in sorted(tables.items())},
    }


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Give a table's rows; heights and numbers of things stay numbers, values become text."""
    money = [name for name in table.column_names if is_money(name)]
    rows: list[dict[str, Any]] = table.to_pylist()
    for row in rows:
        for name in money:
            row[name] = None if row[name] is None else str(row[name])
    return rows


def is_money(column: str) -> bool:
    """Whether a column of an answer's tables holds base units."""
    return column in {"value", "asked", "again", "amount", "paid", "got"}


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        message = f"{name!r} cannot be the name of a file"
        raise ExportError(message)
    return name


def _writer(form: Format, rows: pa.Table, provenance: Provenance) -> Callable[[Path], None]:
    table = rows.replace_schema_metadata({METADATA_KEY: provenance.canonical()})
    if form is Format.ARROW:
        return lambda path: pa_feather.write_feather(table, str(path), compression="uncompressed")
    if form is Format.PARQUET:
        return lambda path: pa_parquet.write_table(table, path, compression="zstd")
    return lambda path: write_csv(table, path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _replace(path: Path, write: Callable[[Path], None]) -> Path:
    """Write a file whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    write(fresh)
    os.replace(fresh, path)  # noqa: PTH105 -- the plain call
    return path
