"""The made-up chain as the index's own canonical Parquet files, for DuckDB here and Spark elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.columns import Columns
from strongroom_tracing.index import parquet
from strongroom_tracing.index.tables import Tables

PARTITION: Final = 1_000  # heights
SCRIPT_BYTES: Final = 22
WITNESS: Final = (0x00, 0x14)  # version 0, 20 bytes follow (BIP 141)


def scripts_of(addresses: int) -> npt.NDArray[np.uint8]:
    """Give the script of each address number: a witness program that is the number in 20 bytes."""
    scripts = np.zeros((addresses, SCRIPT_BYTES), np.uint8)
    scripts[:, :2] = WITNESS
    scripts[:, -8:] = np.arange(addresses, dtype=">u8").view(np.uint8).reshape(-1, 8)
    return scripts


def tables_of(columns: Columns) -> Tables:
    """Give a chain the scripts of its addresses; txids and scripts cannot be looked up in these tables."""
    at = SCRIPT_BYTES * np.arange(columns.addresses + 1)
    return Tables(columns, at, scripts_of(columns.addresses).reshape(-1), (), ())


def write(columns: Columns, folder: Path) -> Path:
    """Write a chain as Parquet; gives the folder of the tables."""
    root = folder / parquet.FOLDER
    root.mkdir(parents=True)
    describe(root, columns.chain, columns.first_height, PARTITION)
    tables = tables_of(columns)
    last = columns.first_height + columns.blocks - 1
    for start in range(columns.first_height, last + 1, PARTITION):
        parquet.write_partition(folder, tables, start, min(start + PARTITION - 1, last))
    return root


def describe(root: Path, chain: str, first_height: int, partition: int) -> None:
    """Say of which chain the Parquet files are."""
    kept = {"format": parquet.FORMAT, "chain": chain, "first_height": first_height, "partition": partition}
    (root / parquet.DATASET).write_text(json.dumps(kept) + "\n", encoding="utf-8")


def size_of(root: Path) -> int:
    """Give the bytes of all files."""
    return sum(path.stat().st_size for path in root.rglob("*.parquet"))
