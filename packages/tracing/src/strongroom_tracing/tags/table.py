"""The tags of one list as a Parquet file, sorted by the key that they are found by."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from strongroom_tracing.tags.addresses import key
from strongroom_tracing.tags.model import Category, Tag

_KEY: Final = "key"
_LAST: Final = "\U0010ffff"  # sorts after every letter of an address
_NAMES: Final = tuple(column.name for column in fields(Tag))
_values = attrgetter(*_NAMES)  # of a tag, in the order of its fields
_TYPES: Final = {"source_date": pa.date32(), "confidence": pa.int8()}
_SCHEMA: Final = pa.schema([(_KEY, pa.string()), *((name, _TYPES.get(name, pa.string())) for name in _NAMES)])


@dataclass(frozen=True, slots=True)
class Rows:
    """The tags of one list, sorted; ``keys`` for binary search, the rest as columns until somebody asks."""

    keys: list[str]
    columns: Any  # pyarrow.Table

    def find(self, wanted: str) -> list[Tag]:
        """Give the tags of one key."""
        first = bisect_left(self.keys, wanted)
        if first == len(self.keys) or self.keys[first] != wanted:
            return []
        return self._tags(first, bisect_right(self.keys, wanted, first))

    def starting_with(self, prefix: str) -> list[Tag]:
        """Give the tags of all keys that begin so."""
        return self._tags(bisect_left(self.keys, prefix), bisect_left(self.keys, prefix + _LAST))

    def every(self) -> list[Tag]:
        """Give all tags."""
        return self._tags(0, len(self.keys))

    def sha256(self) -> str:
        """Give the digest of what is in it, as ``content_sha256`` does: a file is not believed, it is reckoned."""
        write = json.JSONEncoder(ensure_ascii=False).encode
        values = (_plain(self.columns.column(name)) for name in _NAMES)
        lines = "".join([f"{write(row)}\n" for row in zip(*values, strict=True)])
        return hashlib.sha256(lines.encode()).hexdigest()

    def is_keyed(self) -> bool:
        """Tell whether every tag stands under its own key, in order: what stands elsewhere would never be found."""
        places = zip(_plain(self.columns.column("chain")), _plain(self.columns.column("address")), strict=True)
        keys = [key(chain, address) for chain, address in places]
        return keys == self.keys and keys == sorted(keys)

    def _tags(self, first: int, last: int) -> list[Tag]:
        rows = self.columns.slice(first, last - first).drop_columns([_KEY]).to_pylist()
        return [Tag(**{**row, "category": Category(row["category"])}) for row in rows]


def arranged(tags: Iterable[Tag]) -> list[Tag]:
    """Give tags in the order of a file, each once."""
    return sorted(set(tags), key=lambda tag: (key(tag.chain, tag.address), _line(tag)))


def content_sha256(tags: Iterable[Tag]) -> str:
    """Give the digest of arranged tags: of JSON lines (a tag's values in order), whatever writes Parquet today."""
    digest = hashlib.sha256()
    for tag in tags:
        digest.update(_line(tag).encode() + b"\n")
    return digest.hexdigest()


def to_parquet(tags: Iterable[Tag]) -> bytes:
    """Give arranged tags as the bytes of a Parquet file."""
    rows = [(key(tag.chain, tag.address), *_values(tag)) for tag in tags]
    columns = [pa.array(column, kind.type) for column, kind in zip(zip(*rows, strict=True), _SCHEMA, strict=True)]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA), sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def from_parquet(data: bytes) -> Rows:
    """Read the bytes of a Parquet file. Raises pyarrow's errors on damaged ones."""
    columns = pq.read_table(pa.BufferReader(data), schema=_SCHEMA)
    return Rows(columns.column(_KEY).to_pylist(), columns)


def _plain(column: Any) -> list[Any]:
    """Give a column's values as JSON has them."""
    values: list[Any] = (column.cast(pa.string()) if pa.types.is_date(column.type) else column).to_pylist()
    return values


def _line(tag: Tag) -> str:
    return json.dumps(_values(tag), ensure_ascii=False, default=str)
