"""The folder of an index, and how it changes without ever being half-changed.

``manifest.json`` says how many entries of every column file count; whatever lies behind them is of a batch that was
never finished, and is cut off. Only one column is changed in place: which chain tx spends an output. Before that, the
inputs that do so are safely on disk behind those that count, so that each change can be taken back; ``changing`` stands
in the folder meanwhile. A reorg is taken back by the same means: the manifest is made to count less, and what no longer
counts is cut off.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.columns import UNSPENT, Columns
from strongroom_tracing.files import replace_file, sync_folder
from strongroom_tracing.index.errors import IndexDamagedError, IndexMissingError, IndexOutdatedError
from strongroom_tracing.index.runs import Run, frozen
from strongroom_tracing.index.tables import Tables

FORMAT: Final = 2
MANIFEST: Final = "manifest.json"
CHANGING: Final = "changing"
ADDRESS_COUNTS: Final = "block_first_address"  # only taking blocks back needs it
DIGESTS: Final = "block_digest"
# Of each column file: type, entries in a row, what is counted, and how many entries more than that there are.
FILES: Final = {
    "block_hash": (np.uint8, 32, "blocks", 0),
    "block_time": (np.int64, 1, "blocks", 0),
    DIGESTS: (np.uint8, 32, "blocks", 0),
    "block_first_tx": (np.int64, 1, "blocks", 1),
    "txid": (np.uint8, 32, "txs", 0),
    "tx_first_input": (np.int64, 1, "txs", 1),
    "tx_first_output": (np.int64, 1, "txs", 1),
    "input_spent": (np.int64, 1, "inputs", 0),
    "external_value": (np.int64, 1, "externals", 0),
    "output_value": (np.int64, 1, "outputs", 0),
    "output_address": (np.int64, 1, "outputs", 0),
    "output_spending": (np.int64, 1, "outputs", 0),
    ADDRESS_COUNTS: (np.int64, 1, "blocks", 1),
    "script_at": (np.int64, 1, "addresses", 1),
    "script_bytes": (np.uint8, 1, "script_bytes", 0),
}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many entries count."""

    blocks: int = 0
    txs: int = 0
    inputs: int = 0
    externals: int = 0
    outputs: int = 0
    addresses: int = 0
    script_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RunFile:
    """A run on disk: the file ``runs/<number>.run``, the first number that it leads to, how many keys it holds."""

    number: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What counts in the folder.

    ``parquet_through`` is the last height whose Parquet files are written, -1 for none.
    """

    chain: str
    first_height: int
    partition: int  # heights in one partition of the Parquet files
    counts: Counts = Counts()
    tx_runs: tuple[RunFile, ...] = ()
    script_runs: tuple[RunFile, ...] = ()
    next_run: int = 0
    parquet_through: int = -1

    @property
    def height(self) -> int:
        """The height of the last block, one less than the first height while there is none."""
        return self.first_height + self.counts.blocks - 1


def read_manifest(folder: Path) -> Manifest:
    """Read what counts. Raises ``IndexMissingError``, ``IndexOutdatedError``, ``IndexDamagedError``."""
    try:
        return _manifest(folder, json.loads((folder / MANIFEST).read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        message = f"there is no index in {folder}; build one with `strongroom-trace index`"
        raise IndexMissingError(message) from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise damaged(folder / MANIFEST) from None


def damaged(path: Path) -> IndexDamagedError:
    """Say that a file of an index is missing or not what it should be."""
    return IndexDamagedError(f"{path} is missing or damaged: put it back, or build the index anew in another folder")


def _manifest(folder: Path, kept: dict[str, Any]) -> Manifest:
    if (found := kept.get("format")) != FORMAT:
        message = (
            f"the index in {folder} is of another release (format {found}, this one reads {FORMAT}); build it anew in "
            f"another folder: its Parquet files are enough (--parquet {folder / 'parquet'})"
        )
        raise IndexOutdatedError(message)
    del kept["format"]
    runs = {name: tuple(RunFile(**run) for run in kept.pop(name)) for name in ("tx_runs", "script_runs")}
    return Manifest(**{**kept, "counts": Counts(**kept["counts"]), **runs})


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace what counts, in one step and durably."""
    replace_file(folder / MANIFEST, json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1).encode() + b"\n")


def make_folder(folder: Path, *names: str) -> Path:
    """Make folders in each other durably. What is there already counts as new: nobody knows whether it is durable."""
    for name in names:
        (folder / name).mkdir(exist_ok=True)
        sync_folder(folder)
        folder /= name
    return folder


def column_path(folder: Path, name: str) -> Path:
    """Give the file of a column."""
    return folder / "columns" / f"{name}.bin"


def run_path(folder: Path, number: int) -> Path:
    """Give the file of a run."""
    return folder / "runs" / f"{number:08d}.run"


def create(folder: Path, manifest: Manifest) -> None:
    """Lay out an empty index, durable before the manifest says that it is there."""
    columns, _ = make_folder(folder, "columns"), make_folder(folder, "runs")
    for name, (kind, _, _, more) in FILES.items():
        with column_path(folder, name).open("wb") as file:
            file.write(np.zeros(more, kind).tobytes())
            file.flush()
            os.fsync(file.fileno())
    sync_folder(columns)
    write_manifest(folder, manifest)


def entries(manifest: Manifest, name: str) -> int:
    """How many numbers of a column file count."""
    _, width, counted, more = FILES[name]
    return (int(getattr(manifest.counts, counted)) + more) * width


def open_tables(folder: Path, manifest: Manifest) -> Tables:
    """Map the files of an index into memory, read-only."""
    kept = {name: map_column(folder, manifest, name) for name in FILES if name != ADDRESS_COUNTS}
    script_at, script_bytes, digests = (kept.pop(name) for name in ("script_at", "script_bytes", DIGESTS))
    columns = Columns(
        chain=manifest.chain, first_height=manifest.first_height, addresses=manifest.counts.addresses, **kept
    )
    runs = [tuple(open_run(folder, run) for run in files) for files in (manifest.tx_runs, manifest.script_runs)]
    return Tables(columns, script_at, script_bytes, runs[0], runs[1], digests)


def open_run(folder: Path, run: RunFile) -> Run:
    """Map a run into memory, read-only."""
    path = run_path(folder, run.number)
    key = map_array(path, np.uint64, run.count)
    return Run(run.first, key, map_array(path, np.uint32, run.count, offset=8 * run.count))


def map_array(path: Path, kind: Any, count: int, *, offset: int = 0) -> npt.NDArray[Any]:
    """Map a part of a file into memory, read-only; nothing is mapped of an empty one. Raises ``IndexDamagedError``."""
    if not count:
        return frozen(np.empty(0, kind))
    try:
        return frozen(np.memmap(path, kind, "r", offset, (count,)))
    except (FileNotFoundError, ValueError):  # it is not there, or shorter
        raise damaged(path) from None


def map_column(folder: Path, manifest: Manifest, name: str) -> npt.NDArray[Any]:
    """Map what counts of a column into memory, read-only."""
    kind, width, _, _ = FILES[name]
    array = map_array(column_path(folder, name), kind, entries(manifest, name))
    return frozen(array.reshape(-1, width)) if width > 1 else array


def repair(folder: Path, manifest: Manifest) -> None:
    """Take back everything that does not count. It may be broken off and done again."""
    _unspend(folder, manifest)
    for name, (kind, _, _, _) in FILES.items():
        size = entries(manifest, name) * np.dtype(kind).itemsize
        path = column_path(folder, name)
        if not path.exists() or path.stat().st_size < size:
            raise damaged(path)
        os.truncate(path, size)
    drop_runs(folder, manifest)
    (folder / CHANGING).unlink(missing_ok=True)
    sync_folder(folder)


def drop_runs(folder: Path, manifest: Manifest) -> None:
    """Delete the runs that do not count any more."""
    kept = {run_path(folder, run.number) for run in (*manifest.tx_runs, *manifest.script_runs)}
    for path in (folder / "runs").iterdir():
        if path not in kept:
            path.unlink()


def _unspend(folder: Path, manifest: Manifest) -> None:
    """Make unspent what only inputs spend that do not count. They are on disk before any output is marked."""
    path, counts = column_path(folder, "input_spent"), manifest.counts
    if not path.exists():
        raise damaged(path)
    spent = np.fromfile(path, np.int64, offset=8 * counts.inputs)
    spent = spent[(spent >= 0) & (spent < counts.outputs)]
    if not len(spent):
        return
    spending = np.memmap(column_path(folder, "output_spending"), np.int64, "r+", 0, (counts.outputs,))
    spending[spent[spending[spent] >= counts.txs]] = UNSPENT
    spending.flush()
