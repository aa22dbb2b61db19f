"""An exposure as an Arrow table: one row for each touch and for each share that touches nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pyarrow as pa

from strongroom_tracing.columns import Columns
from strongroom_tracing.exposure.model import By, Exposure, Touch

AddressText = Callable[[int], str]
"""Gives an address as people write it, by its number; an index has it."""

SCHEMA: Final = pa.schema(
    [
        ("part", pa.string()),  # direct, indirect, mixed, mined, before-index, or the limit that was met
        ("hop", pa.int64()),
        ("by", pa.string()),
        ("what", pa.string()),  # an outpoint, an address, or the lowest address of a cluster
        ("labels", pa.list_(pa.string())),
        ("value", pa.int64()),  # base units
    ]
)


def exposure_table(columns: Columns, found: Exposure, address_text: AddressText) -> pa.Table:
    """Give an exposure as a table; all rows but ``direct`` and ``mixed`` add up to the output's value."""
    rows = list(zip(*_rows(columns, found, address_text), strict=True)) or [()] * len(SCHEMA)
    return pa.Table.from_arrays(
        [pa.array(row, part.type) for row, part in zip(rows, SCHEMA, strict=True)], schema=SCHEMA
    )


def _rows(columns: Columns, found: Exposure, address_text: AddressText) -> Iterator[tuple[Any, ...]]:
    def what(touch: Touch) -> str:
        return columns.outpoint_text(touch.number) if touch.by is By.MARK else address_text(touch.number)

    for part, touches in (("direct", found.direct), ("indirect", found.indirect)):
        for touch in touches:
            yield part, touch.hop, str(touch.by), what(touch), list(touch.labels), touch.value
    for mixed in found.mixed:
        yield "mixed", mixed.hop, None, None, [mixed.mixing.name.lower()], mixed.value
    for part, value in (("mined", found.mined), ("before-index", found.before_index), *found.beyond):
        if value:
            yield str(part), None, None, None, [], value
