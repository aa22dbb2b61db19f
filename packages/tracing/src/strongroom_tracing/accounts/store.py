"""An account chain's index on disk: canonical Parquet by ranges of blocks, and a manifest that says what counts.

    manifest.json                                     replaced in one step, after everything that it names
    blocks/height=<first>/<sha256>.parquet            one file for each range of blocks, named by its content
    transfers/height=<first>/<sha256>.parquet
    columns/height=<first>/<sha256 of its header>.columns    the working set; see columns.py

A file that the manifest does not name is left from a run that died, and is removed. The last range is written anew as
it grows. So the folder is the same, byte for byte, however often the build was interrupted.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from strongroom_tracing.accounts.columns import Columns, arrays_of, packed
from strongroom_tracing.accounts.errors import BrokenIndexError
from strongroom_tracing.accounts.model import Block, BlockTransfers, Status
from strongroom_tracing.accounts.parquet import BLOCKS, TRANSFERS, blocks_of, blocks_table, transfers_table
from strongroom_tracing.files import replace_file, sync_folder

MANIFEST: Final = "manifest.json"
FORMAT: Final = 3
RANGE_BLOCKS: Final = 1000
TABLES: Final = {"blocks": BLOCKS, "transfers": TRANSFERS}
COLUMNS: Final = "columns"
_KINDS: Final = (*TABLES, COLUMNS)


@dataclass(frozen=True, slots=True)
class Range:
    """One partition: blocks ``first`` to ``last``, the tip's or range's last; files by their hashes."""

    height: int
    first: int
    last: int
    rows: int
    blocks: str
    transfers: str
    columns: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index consists of."""

    chain: str
    traced: bool
    tip_hash: str
    ranges: tuple[Range, ...]

    @property
    def height(self) -> int:
        """The newest block; -1 where there is none."""
        return self.ranges[-1].last if self.ranges else -1

    def status(self) -> Status:
        """Say how far it is."""
        first = self.ranges[0].first if self.ranges else -1
        rows = sum(one.rows for one in self.ranges)
        return Status(self.chain, first, self.height, self.tip_hash, rows, self.traced)


def load_manifest(folder: Path) -> Manifest | None:
    """Read the manifest; None where there is no index yet. Raises ``BrokenIndexError``."""
    try:
        text = (folder / MANIFEST).read_bytes()
    except FileNotFoundError:
        return None
    try:
        data = json.loads(text)
        ranges = tuple(Range(**one) for one in data["ranges"])
        if data["format"] == FORMAT:
            return Manifest(data["chain"], data["traced"], data["tip_hash"], ranges)
    except (ValueError, KeyError, TypeError):
        pass
    message = f"{folder / MANIFEST} is no manifest that this release reads; build the index anew in another folder"
    raise BrokenIndexError(message)


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest in one step; whoever reads sees the old one or the new one."""
    data = {"format": FORMAT, **asdict(manifest)}
    text = json.dumps(data, sort_keys=True, indent=1) + "\n"
    replace_file(folder / MANIFEST, text.encode())


def make_folder(folder: Path) -> None:
    """Make a folder durably. One that is there counts as new: nobody knows whether its name is durable."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(PermissionError):  # a folder above that is not ours to read
        sync_folder(folder.parent)


def path_of(folder: Path, kind: str, height: int, digest: str) -> Path:
    """Say where a range's file is."""
    return folder / kind / f"height={height:012d}" / f"{digest}.{COLUMNS if kind == COLUMNS else 'parquet'}"


def write_range(folder: Path, height: int, blocks: Sequence[BlockTransfers]) -> Range:
    """Write the files of a range; they count once a manifest names them."""
    rows = transfers_table(row for one in blocks for row in one.transfers)
    heads = [one.block for one in blocks]
    return write_tables(folder, height, heads, rows)


def extend_range(folder: Path, known: Range, blocks: Sequence[BlockTransfers]) -> Range:
    """Write a range anew with more blocks."""
    heads = blocks_of(read(folder, "blocks", known)) + [one.block for one in blocks]
    fresh = transfers_table(row for one in blocks for row in one.transfers)
    return write_tables(folder, known.height, heads, pa.concat_tables([read(folder, "transfers", known), fresh]))


def cut_range(folder: Path, known: Range, last: int) -> Range:
    """Write a range anew up to a block."""
    heads = [block for block in blocks_of(read(folder, "blocks", known)) if block.height <= last]
    table = read(folder, "transfers", known)
    return write_tables(folder, known.height, heads, table.filter(pc.less_equal(table["block"], last)))


def write_tables(folder: Path, height: int, heads: Sequence[Block], rows: Any) -> Range:
    """Write the files of a range from its table of transfers (pyarrow), sorted."""
    blocks, transfers = blocks_table(heads), rows.combine_chunks()
    digest, data = packed(arrays_of(transfers, blocks))
    names = {
        "blocks": _write(folder, "blocks", height, blocks),
        "transfers": _write(folder, "transfers", height, transfers),
        COLUMNS: _keep(path_of(folder, COLUMNS, height, digest), data, digest),
    }
    return Range(height, heads[0].height, heads[-1].height, rows.num_rows, **names)


def _write(folder: Path, kind: str, height: int, table: Any) -> str:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", use_dictionary=["sender", "recipient", "contract"])
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    return _keep(path_of(folder, kind, height, digest), data, digest)


def _keep(path: Path, data: bytes, digest: str) -> str:
    if not path.exists():
        make_folder(path.parent.parent)
        make_folder(path.parent)
        replace_file(path, data)
    return digest


def read(folder: Path, kind: str, known: Range) -> Any:
    """Read a range's table, and check that it is what the manifest says. Raises ``BrokenIndexError``."""
    path = path_of(folder, kind, known.height, getattr(known, kind))
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    if hashlib.sha256(data).hexdigest() != getattr(known, kind):
        message = f"{path} is missing or damaged: put it back, or build the index anew"
        raise BrokenIndexError(message)
    return pq.read_table(io.BytesIO(data), schema=TABLES[kind])


def map_columns(folder: Path, known: Range) -> Columns:
    """Map a range's working set into memory; what of it is touched is checked. Raises ``BrokenIndexError``."""
    return Columns.opened(path_of(folder, COLUMNS, known.height, known.columns), known.columns)


def sweep(folder: Path, manifest: Manifest) -> None:
    """Remove what the manifest does not name."""
    named = {path_of(folder, kind, one.height, getattr(one, kind)) for one in manifest.ranges for kind in _KINDS}
    for kind in _KINDS:
        for path in sorted((folder / kind).glob("height=*/*")):
            if path not in named:
                path.unlink()
                with contextlib.suppress(OSError):  # not empty: others of its range are named
                    path.parent.rmdir()
