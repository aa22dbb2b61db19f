"""Adding blocks to an index on disk and taking them back. Only the one builder calls this."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from strongroom_tracing.columns import COINBASE
from strongroom_tracing.files import sync_folder
from strongroom_tracing.index.content import addresses_by_block, digests, first_digest
from strongroom_tracing.index.layout import (
    ADDRESS_COUNTS,
    CHANGING,
    DIGESTS,
    FILES,
    Counts,
    Manifest,
    RunFile,
    column_path,
    drop_runs,
    entries,
    map_column,
    open_run,
    repair,
    run_path,
    write_manifest,
)
from strongroom_tracing.index.locks import READERS, locked
from strongroom_tracing.index.runs import ENTRY_BYTES, Run, make_run, merge_into, mergeable, prefixes
from strongroom_tracing.index.tables import Piece, spenders, spending_of


def append(folder: Path, manifest: Manifest, piece: Piece) -> Manifest:
    """Add a piece to the index; durable when this returns, and either wholly there or not at all before."""
    counts = manifest.counts
    spending = spending_of(piece, counts.txs, counts.outputs)
    beside: dict[str, npt.NDArray[Any]] = {
        "output_spending": spending,
        ADDRESS_COUNTS: addresses_by_block(counts, piece),
        DIGESTS: digests(_last_digest(folder, manifest), counts, piece),
    }
    for name in FILES:
        _extend(folder, manifest, name, beside[name] if name in beside else getattr(piece, name))
    after = replace(manifest, counts=_added(counts, piece))
    after = _add_run(folder, after, "tx_runs", make_run(counts.txs, prefixes(piece.txid)))
    after = _add_run(folder, after, "script_runs", make_run(counts.addresses, piece.script_key))
    sync_folder(folder / "runs")
    with locked(folder, READERS):
        mark_changing(folder)
        _spend(folder, counts, *spenders(piece, counts.txs))
        write_manifest(folder, after)
        (folder / CHANGING).unlink()
        drop_runs(folder, after)
    return after


def roll_back(folder: Path, manifest: Manifest, height: int) -> Manifest:
    """Take back every block above a height."""
    blocks = height - manifest.first_height + 1
    counts = _cut(folder, manifest, blocks)
    through = manifest.parquet_through
    if through > height:  # the partition that holds the fork is written again
        through = partition_start(manifest, height + 1) - 1
    after = replace(
        manifest,
        counts=counts,
        tx_runs=tuple(run for run in manifest.tx_runs if run.first < counts.txs),
        script_runs=tuple(run for run in manifest.script_runs if run.first < counts.addresses),
        parquet_through=through,
    )
    with locked(folder, READERS):
        mark_changing(folder)
        write_manifest(folder, after)
        repair(folder, after)
    return after


def partition_start(manifest: Manifest, height: int) -> int:
    """Give the first height of the partition that a height belongs to."""
    return height - height % manifest.partition


def mark_changing(folder: Path) -> None:
    """Say durably that what readers see is being changed."""
    (folder / CHANGING).touch()
    sync_folder(folder)


def _extend(folder: Path, manifest: Manifest, name: str, values: npt.NDArray[Any]) -> None:
    kind = np.dtype(FILES[name][0])
    assert values.dtype == kind, name  # noqa: S101 -- a piece of other types would ruin the file
    with column_path(folder, name).open("r+b") as file:
        file.truncate(entries(manifest, name) * kind.itemsize)
        file.seek(0, os.SEEK_END)
        np.ascontiguousarray(values).tofile(file)
        file.flush()
        os.fsync(file.fileno())


def _spend(folder: Path, counts: Counts, tx: npt.NDArray[np.int64], spent: npt.NDArray[np.int64]) -> None:
    """Mark outputs from before a piece as spent by its chain txs."""
    old = spent < counts.outputs
    if not np.any(old):
        return
    spending = np.memmap(column_path(folder, "output_spending"), np.int64, "r+", 0, (counts.outputs,))
    spending[spent[old]] = tx[old]
    spending.flush()


def _added(counts: Counts, piece: Piece) -> Counts:
    return Counts(
        blocks=counts.blocks + len(piece.block_hash),
        txs=counts.txs + len(piece.txid),
        inputs=counts.inputs + len(piece.input_spent),
        externals=counts.externals + len(piece.external_value),
        outputs=counts.outputs + len(piece.output_value),
        addresses=counts.addresses + len(piece.script_at),
        script_bytes=counts.script_bytes + len(piece.script_bytes),
    )


def _cut(folder: Path, manifest: Manifest, blocks: int) -> Counts:
    """Count what stands in the first blocks only; all numbers are in chain order, so each column ends somewhere."""
    column = {name: map_column(folder, manifest, name) for name in FILES}
    txs, addresses = int(column["block_first_tx"][blocks]), int(column[ADDRESS_COUNTS][blocks])
    inputs, outputs = int(column["tx_first_input"][txs]), int(column["tx_first_output"][txs])
    return Counts(
        blocks=blocks,
        txs=txs,
        inputs=inputs,
        externals=manifest.counts.externals - int(np.count_nonzero(column["input_spent"][inputs:] < COINBASE)),
        outputs=outputs,
        addresses=addresses,
        script_bytes=int(column["script_at"][addresses]),
    )


def _last_digest(folder: Path, manifest: Manifest) -> bytes:
    if not manifest.counts.blocks:
        return first_digest(manifest.chain, manifest.first_height)
    return bytes(map_column(folder, manifest, DIGESTS)[-1])


def _add_run(folder: Path, manifest: Manifest, kind: str, run: Run) -> Manifest:
    """Write a run, merged with those before it that are not much larger, and name it in the manifest."""
    files: list[RunFile] = list(getattr(manifest, kind))
    if not len(run.key):
        return manifest
    number = manifest.next_run
    merged = False
    while files and mergeable(files[-1].count, len(run.key), run.first + len(run.key) - files[-1].first):
        older = open_run(folder, files.pop())
        number += merged
        run = _merged(run_path(folder, number), older, run)
        merged = True
    if not merged:
        _save_run(run_path(folder, number), run)
    files.append(RunFile(number, run.first, len(run.key)))
    changed: dict[str, Any] = {kind: tuple(files), "next_run": number + 1}
    return replace(manifest, **changed)


def _merged(path: Path, older: Run, newer: Run) -> Run:
    """Merge two runs into a file, whatever their size, without holding them in memory."""
    count = len(older.key) + len(newer.key)
    path.unlink(missing_ok=True)
    key = np.memmap(path, np.uint64, "w+", 0, (count,))
    with path.open("r+b") as file:
        file.truncate(ENTRY_BYTES * count)
    offset = np.memmap(path, np.uint32, "r+", 8 * count, (count,))
    merge_into(older, newer, key, offset)
    key.flush()
    offset.flush()
    return Run(older.first, key.view(np.ndarray), offset.view(np.ndarray))


def _save_run(path: Path, run: Run) -> None:
    with path.open("wb") as file:
        run.key.tofile(file)
        run.offset.tofile(file)
        file.flush()
        os.fsync(file.fileno())
