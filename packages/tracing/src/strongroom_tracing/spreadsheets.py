"""Tables as CSV by RFC 4180 that no spreadsheet takes for more than text: labels come from other people's lists."""

from __future__ import annotations

import csv
import re
import unicodedata
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

_ROWS_AT_ONCE: Final = 65_536
#: What spreadsheets begin a formula with; forms of other widths (full, small) are one with these under NFKC, and some
#: programs take them for such.
_FORMULA: Final = frozenset("=+-@")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SHOWN_INSTEAD: Final = "\ufffd"


def write_csv(table: pa.Table, path: Path) -> None:
    """Write a table with its header; lines end with CR LF, quotes stand where they must, bytes are hex digits."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
        writer.writerow(table.column_names)
        for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
            columns = ([_cell(value) for value in column.to_pylist()] for column in batch.columns)
            writer.writerows(zip(*columns, strict=True))


def harmless(text: str) -> str:
    """Give a text as it may stand in a cell.

    Control characters and ends of lines are U+FFFD, since programs that read line by line would begin a row after
    them. What begins, behind blanks and what nobody sees, as a formula does gets an apostrophe before it.
    """
    plain = _CONTROL.sub(_SHOWN_INSTEAD, text)
    first = next((letter for letter in plain if not _is_passed_over(letter)), "")
    begins = unicodedata.normalize("NFKC", first)[:1]
    return f"'{plain}" if begins in _FORMULA else plain


def _is_passed_over(letter: str) -> bool:
    return letter == _SHOWN_INSTEAD or letter.isspace() or unicodedata.category(letter) in {"Cf", "Mn", "Cc"}


def _cell(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return harmless(value) if isinstance(value, str) else value
