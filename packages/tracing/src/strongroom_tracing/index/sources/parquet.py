"""The Parquet files of an index as a source: the numbers are in them, nothing has to be looked up again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from strongroom_tracing.columns import COINBASE
from strongroom_tracing.index.errors import SourceError
from strongroom_tracing.index.model import RawBlock, Tip
from strongroom_tracing.index.parquet import DATASET, FORMAT, SCHEMAS, UNKNOWN_VALUE, partition_path
from strongroom_tracing.index.parsing import script_key
from strongroom_tracing.index.tables import Piece, Tables

_TABLES: Final = tuple(SCHEMAS)
_Rows = dict[str, pa.Table]
_Numbers = npt.NDArray[np.int64]


class ParquetSource:
    """The folder ``parquet`` of an index, or a copy of it."""

    def __init__(self, root: Path) -> None:
        """Read what the files are of. Raises ``SourceError``."""
        self._root = root
        try:
            described = json.loads((root / DATASET).read_bytes())
            other = described["format"] != FORMAT
            self.chain, self.first_height, self._partition = str(described["chain"]), *_heights(described)
        except (OSError, ValueError, TypeError, KeyError):
            message = f"{root} holds no Parquet files of an index ({DATASET} is missing or broken)"
            raise SourceError(message) from None
        if other:
            message = f"the Parquet files in {root} are of another release"
            raise SourceError(message)
        self._hashes: tuple[int, list[str]] = (-1, [])

    @cached_property
    def _starts(self) -> list[int]:
        starts = sorted(int(path.name.partition("=")[2]) for path in (self._root / "blocks").glob("height=[0-9]*"))
        due = range(
            self._start(self.first_height),
            self._start(self.first_height) + self._partition * len(starts),
            self._partition,
        )
        if not starts or starts != list(due):
            message = f"partitions are missing in {self._root}"
            raise SourceError(message)
        return starts

    def tip(self) -> Tip:
        """Give the last block. Raises ``SourceError``."""
        hashes = self._of_partition(self._starts[-1])
        return Tip(max(self._starts[-1], self.first_height) + len(hashes) - 1, hashes[-1])

    def hash_at(self, height: int) -> str | None:
        """Give the hash of a block, None beyond the ends. Raises ``SourceError``."""
        start = self._start(height)
        if start not in self._starts or height < self.first_height:
            return None
        hashes = self._of_partition(start)
        place = height - max(start, self.first_height)
        return hashes[place] if place < len(hashes) else None

    def blocks(self, first: int, last: int) -> Iterator[RawBlock]:
        """Refuse: these files hold what blocks say, not their bytes."""
        message = "Parquet files hold no raw blocks"
        raise SourceError(message)

    def pieces(self, first: int, last: int) -> Iterator[Callable[[Tables], Piece]]:
        """Give what makes the pieces from one height to another, once those before are in the tables.

        Raises ``SourceError``.
        """
        for start in self._starts:
            if start + self._partition <= first or start > last:
                continue
            for rows in self._groups(start, first, last):
                yield partial(_piece, rows)

    def _groups(self, start: int, first: int, last: int) -> Iterator[_Rows]:
        files = {table: self._open(table, start) for table in _TABLES}
        try:
            for group in range(files["blocks"].num_row_groups):
                rows = {table: _between(file.read_row_group(group), first, last) for table, file in files.items()}
                if len(rows["blocks"]):
                    yield rows
        except (OSError, pa.ArrowInvalid) as error:
            message = f"the Parquet partition of height {start} in {self._root} cannot be read: {error}"
            raise SourceError(message) from error
        finally:
            for file in files.values():
                file.close()

    def _open(self, table: str, start: int) -> Any:
        path = partition_path(self._root, table, start)
        try:
            file = pq.ParquetFile(path)
        except (OSError, pa.ArrowInvalid) as error:
            message = f"{path} cannot be read: {error}"
            raise SourceError(message) from error
        if not file.schema_arrow.equals(SCHEMAS[table]):
            message = f"{path} has other columns than {', '.join(SCHEMAS[table].names)}"
            raise SourceError(message)
        return file

    def _of_partition(self, start: int) -> list[str]:
        if self._hashes[0] != start:
            file = self._open("blocks", start)
            hashes = file.read(columns=["hash"]).column("hash").to_pylist()
            file.close()
            self._hashes = (start, [value[::-1].hex() for value in hashes])
        return self._hashes[1]

    def _start(self, height: int) -> int:
        return height - height % self._partition


def _heights(described: dict[str, Any]) -> tuple[int, int]:
    """Give the first height, and how many heights make a partition. Raises ``ValueError``."""
    first, partition = described["first_height"], described["partition"]
    if type(first) is not int or type(partition) is not int or first < 0 or partition < 1:
        message = "no heights"
        raise ValueError(message)
    return first, partition


def _between(rows: pa.Table, first: int, last: int) -> pa.Table:
    block = rows.column("block").to_numpy()
    begin, end = np.searchsorted(block, (first, last + 1))
    return rows.slice(int(begin), int(end - begin))


def _piece(rows: _Rows, tables: Tables) -> Piece:
    """Make a piece of the rows of consecutive blocks that go on where the tables end. Raises ``SourceError``."""
    columns = tables.columns
    blocks, txs, inputs, outputs = (rows[table] for table in _TABLES)
    _refuse_nulls(rows)
    expected = (
        ("block", blocks, "block", columns.first_height + columns.blocks),
        ("chain tx", txs, "tx", columns.txs),
        ("output", outputs, "output", columns.outputs),
    )
    for name, table, column, first in expected:
        if not np.array_equal(_numbers(table, column), first + np.arange(len(table))):
            message = f"the Parquet files do not go on with {name} number {first}"
            raise SourceError(message)
    spent, value = _numbers(inputs, "spent"), inputs.column("value").fill_null(UNKNOWN_VALUE).to_numpy()
    outside = spent < COINBASE
    if not np.array_equal(-2 - spent[outside], len(columns.external_value) + np.arange(np.count_nonzero(outside))):
        message = "the Parquet files number outputs from before the index in another order"
        raise SourceError(message)
    scripts = _new_scripts(outputs, columns.addresses)
    lengths = np.array([len(script) for script in scripts], np.int64)
    return Piece(
        block_hash=_hashes(blocks, "hash"),
        block_time=_numbers(blocks, "time"),
        block_first_tx=columns.txs + np.cumsum(_numbers(blocks, "txs")),
        txid=_hashes(txs, "txid"),
        tx_first_input=len(columns.input_spent) + np.cumsum(_numbers(txs, "inputs")),
        tx_first_output=columns.outputs + np.cumsum(_numbers(txs, "outputs")),
        input_spent=spent,
        external_value=value[outside],
        output_value=_numbers(outputs, "value"),
        output_address=_numbers(outputs, "address"),
        script_at=len(tables.script_bytes) + np.cumsum(lengths),
        script_bytes=np.frombuffer(b"".join(scripts), np.uint8),
        script_key=np.array([script_key(script) for script in scripts], np.uint64),
    )


def _refuse_nulls(rows: _Rows) -> None:
    """Refuse what is missing, except for values of inputs: with nulls, numbers would be read as floats."""
    for table, found in rows.items():
        for name in found.column_names:
            if found.column(name).null_count and (table, name) != ("inputs", "value"):
                message = f"the Parquet files lack the {name} of some rows of {table}"
                raise SourceError(message)


def _new_scripts(outputs: pa.Table, known: int) -> list[bytes]:
    """Give the scripts of addresses that are not in the index yet, in their order."""
    address = _numbers(outputs, "address")
    new, first = np.unique(address, return_index=True)
    first, new = first[new >= known], new[new >= known]
    if not np.array_equal(new, known + np.arange(len(new))) or np.any(np.diff(first) < 0):
        message = f"the Parquet files do not go on with address number {known}"
        raise SourceError(message)
    scripts: list[bytes] = outputs.column("script").take(pa.array(first)).to_pylist()
    return scripts


def _numbers(rows: pa.Table, name: str) -> _Numbers:
    values: _Numbers = rows.column(name).to_numpy()
    return values


def _hashes(rows: pa.Table, name: str) -> npt.NDArray[np.uint8]:
    data = b"".join(rows.column(name).to_pylist())
    return np.frombuffer(data, np.uint8).reshape(-1, 32)
