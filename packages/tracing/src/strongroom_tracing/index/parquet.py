"""The canonical Parquet files of an index: what other engines read, and what an index can be made of again.

Four tables, ``blocks``, ``txs``, ``inputs`` and ``outputs``, each partitioned by height (``height=<first height of the
partition>``), rows in chain order. Numbers of chain txs, outputs and addresses are those of the index. A partition is a
function of the chain alone: the same blocks give the same bytes. It holds nothing that a later block changes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from strongroom_tracing.columns import COINBASE, Columns
from strongroom_tracing.files import replace_file, sync_folder
from strongroom_tracing.index.gathering import gathered
from strongroom_tracing.index.layout import Manifest, make_folder
from strongroom_tracing.index.tables import Tables

FOLDER: Final = "parquet"
DATASET: Final = "dataset.json"
FORMAT: Final = 1
ROWS: Final = 1_000_000  # of outputs or inputs in a row group, more or less
HASH: Final = pa.binary(32)
UNKNOWN_VALUE: Final = -1
SCHEMAS: Final = {
    "blocks": pa.schema([("block", pa.int64()), ("hash", HASH), ("time", pa.int64()), ("txs", pa.int64())]),
    "txs": pa.schema(
        [("block", pa.int64()), ("tx", pa.int64()), ("txid", HASH), ("inputs", pa.int64()), ("outputs", pa.int64())]
    ),
    # `spent` is the number of the output, -1 for new money, below that an output from before the index; `value` is
    # in base units, null for new money and where nobody knows it.
    "inputs": pa.schema(
        [("block", pa.int64()), ("tx", pa.int64()), ("vin", pa.int64()), ("spent", pa.int64()), ("value", pa.int64())]
    ),
    "outputs": pa.schema(
        [
            ("block", pa.int64()),
            ("tx", pa.int64()),
            ("vout", pa.int64()),
            ("output", pa.int64()),
            ("value", pa.int64()),
            ("address", pa.int64()),
            ("script", pa.binary()),
        ]
    ),
}
_COUNTING: Final = ("block", "tx", "output")  # ascending: stored as differences
_REPEATED: Final = ["script", "value", "address", "vin", "vout", "inputs", "outputs"]


def describe(folder: Path, manifest: Manifest) -> None:
    """Say beside the Parquet files which chain they are of."""
    path = folder / FOLDER / DATASET
    if not path.exists():
        make_folder(folder, FOLDER)
        kept = {"format": FORMAT, "chain": manifest.chain, "first_height": manifest.first_height}
        replace_file(path, json.dumps({**kept, "partition": manifest.partition}).encode() + b"\n")


def partition_path(root: Path, table: str, start: int) -> Path:
    """Give the file of a partition of a table."""
    return root / table / f"height={start:09d}" / "part.parquet"


def write_partition(folder: Path, tables: Tables, start: int, end: int) -> None:
    """Write the partition that begins at a height, up to another height, in place of what is there."""
    columns = tables.columns
    first, last = max(start - columns.first_height, 0), end - columns.first_height
    for table, schema in SCHEMAS.items():
        path = partition_path(folder / FOLDER, table, start)
        make_folder(folder, FOLDER, table, path.parent.name)
        fresh = path.with_name("_part.tmp")
        with pq.ParquetWriter(
            fresh,
            schema,
            compression="zstd",
            use_dictionary=[name for name in _REPEATED if name in schema.names],
            column_encoding={name: "DELTA_BINARY_PACKED" for name in _COUNTING if name in schema.names},
        ) as writer:
            for begin, stop in _groups(columns, first, last + 1):
                writer.write_table(pa.table(_rows(table, tables, begin, stop), schema=schema), row_group_size=2**40)
        _settle(fresh, path)


def drop_above(folder: Path, height: int) -> None:
    """Delete partitions that begin above a height: a reorg took their blocks away."""
    for path in (folder / FOLDER).glob("*/height=*"):
        if int(path.name.partition("=")[2]) > height:
            shutil.rmtree(path)


def _settle(fresh: Path, path: Path) -> None:
    handle = os.open(fresh, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    fresh.replace(path)
    sync_folder(path.parent)


def _groups(columns: Columns, first: int, stop: int) -> Iterator[tuple[int, int]]:
    """Cut blocks into row groups: as many as hold together fewer than so many inputs and outputs, but at least one."""
    tx = columns.block_first_tx[first : stop + 1]
    size = columns.tx_first_input[tx] + columns.tx_first_output[tx]
    begin = first
    while begin < stop:
        end = int(np.searchsorted(size, size[begin - first] + 2 * ROWS)) + first - 1
        end = min(max(end, begin + 1), stop)
        yield begin, end
        begin = end


def _rows(table: str, tables: Tables, begin: int, stop: int) -> dict[str, Any]:
    columns = tables.columns
    blocks = np.arange(begin, stop)
    tx = np.arange(int(columns.block_first_tx[begin]), int(columns.block_first_tx[stop]))
    if table == "blocks":
        return {
            "block": blocks + columns.first_height,
            "hash": _hashes(columns.block_hash[begin:stop]),
            "time": columns.block_time[begin:stop],
            "txs": np.diff(columns.block_first_tx[begin : stop + 1]),
        }
    of_tx = np.repeat(blocks + columns.first_height, np.diff(columns.block_first_tx[begin : stop + 1]))
    low, high = int(columns.block_first_tx[begin]), int(columns.block_first_tx[stop])
    inputs, outputs = columns.tx_first_input[low : high + 1], columns.tx_first_output[low : high + 1]
    if table == "txs":
        return {
            "block": of_tx,
            "tx": tx,
            "txid": _hashes(columns.txid[low:high]),
            "inputs": np.diff(inputs),
            "outputs": np.diff(outputs),
        }
    bounds = inputs if table == "inputs" else outputs
    each = np.diff(bounds)
    rows = {"block": np.repeat(of_tx, each), "tx": np.repeat(tx, each)}
    numbers = np.arange(int(bounds[0]), int(bounds[-1]))
    place = numbers - np.repeat(bounds[:-1], each)
    if table == "inputs":
        return {**rows, "vin": place, **_spent(columns, int(bounds[0]), int(bounds[-1]))}
    return {**rows, "vout": place, "output": numbers, **_paid(tables, int(bounds[0]), int(bounds[-1]))}


def _spent(columns: Columns, begin: int, stop: int) -> dict[str, Any]:
    spent = columns.input_spent[begin:stop]
    value = np.full(len(spent), UNKNOWN_VALUE, np.int64)
    value[spent >= 0] = columns.output_value[spent[spent >= 0]]
    value[spent < COINBASE] = columns.external_value[-2 - spent[spent < COINBASE]]
    return {"spent": spent, "value": pa.array(value, mask=value == UNKNOWN_VALUE)}


def _paid(tables: Tables, begin: int, stop: int) -> dict[str, Any]:
    address = tables.columns.output_address[begin:stop]
    used, which = np.unique(address, return_inverse=True)
    begins, ends = tables.script_at[used], tables.script_at[used + 1]
    to = np.concatenate((np.zeros(1, np.int64), np.cumsum(ends - begins)))
    data = gathered(tables.script_bytes, begins, ends - begins)
    scripts = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(used), [None, pa.py_buffer(to), pa.py_buffer(data)]
    ).cast(pa.binary())
    return {
        "value": tables.columns.output_value[begin:stop],
        "address": address,
        "script": scripts.take(pa.array(which)),
    }


def _hashes(rows: npt.NDArray[np.uint8]) -> pa.Array:
    data = pa.py_buffer(np.ascontiguousarray(rows))
    return pa.FixedSizeBinaryArray.from_buffers(HASH, len(rows), [None, data])
