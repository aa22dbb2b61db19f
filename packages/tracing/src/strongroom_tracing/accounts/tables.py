"""An answer as Arrow tables: one for each kind of row, values as 32 bytes (uint256, big-endian) and as decimal text."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final, get_type_hints

import pyarrow as pa

from strongroom_tracing.accounts.answer import (
    AccountAnswer,
    AtService,
    Contested,
    Converted,
    Gas,
    Held,
    IgnoredTransfer,
    Left,
    Marked,
    Move,
    Source,
    Unknown,
)
from strongroom_tracing.accounts.model import WORD_BYTES
from strongroom_tracing.accounts.parquet import word

ROWS: Final[dict[str, type]] = {
    "marked": Marked,
    "held": Held,
    "services": AtService,
    "gas": Gas,
    "left": Left,
    "sources": Source,
    "unknown": Unknown,
    "contested": Contested,
    "moves": Move,
    "converted": Converted,
    "ignored": IgnoredTransfer,
}
_AMOUNTS: Final = frozenset({"value", "paid", "got"})


def tables(answer: AccountAnswer) -> dict[str, Any]:
    """Give every kind of row as a pyarrow.Table, in the answer's order; amounts twice, as ``x`` and ``x_text``."""
    return {name: _table(kind, getattr(answer, name)) for name, kind in ROWS.items()}


def _table(kind: type, rows: tuple[Any, ...]) -> Any:
    hints = get_type_hints(kind)
    schema, columns = [], []
    for one in fields(kind):
        values = [getattr(row, one.name) for row in rows]
        if one.name in _AMOUNTS:
            schema += [pa.field(one.name, pa.binary(WORD_BYTES)), pa.field(f"{one.name}_text", pa.string())]
            columns += [pa.array(map(word, values), pa.binary(WORD_BYTES)), pa.array(map(str, values), pa.string())]
            continue
        arrow = pa.string() if hints[one.name] is str else pa.int64()
        schema.append(pa.field(one.name, arrow))
        columns.append(pa.array(values, arrow))
    return pa.Table.from_arrays(columns, schema=pa.schema(schema))
