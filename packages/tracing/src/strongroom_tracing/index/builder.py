"""Building an index on disk: resumable at any point, following the source's best chain and its reorgs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from strongroom_tracing.columns import Columns
from strongroom_tracing.files import sync_folder
from strongroom_tracing.index import parquet
from strongroom_tracing.index.checks import check_fits
from strongroom_tracing.index.errors import ChainMovedError, IndexMissingError, WrongChainError
from strongroom_tracing.index.layout import (
    CHANGING,
    MANIFEST,
    Manifest,
    create,
    open_tables,
    read_manifest,
    repair,
    write_manifest,
)
from strongroom_tracing.index.linking import check_links
from strongroom_tracing.index.locks import BUILDER, READERS, locked
from strongroom_tracing.index.model import BlockSource, IndexStatus, Progress, RawBlock
from strongroom_tracing.index.parsing import Parsed, parse
from strongroom_tracing.index.resolving import resolve
from strongroom_tracing.index.service import folder_status
from strongroom_tracing.index.tables import Piece, Tables
from strongroom_tracing.index.writing import append, partition_start, roll_back

BATCH_BYTES: Final = 64_000_000  # raw blocks that are worked on at a time; memory is about ten times that
BATCH_BLOCKS: Final = 20_000  # of small blocks
PARTITION: Final = 1_000  # heights
_MOVES: Final = 3  # so many times in a row may the chain move under our hands
_Make = Callable[[Tables], Piece]
"""Turns what was prepared of some blocks into a piece, once all before them are in the tables."""


@runtime_checkable
class PieceSource(Protocol):
    """A source that knows the numbers already: Parquet files of an index."""

    def pieces(self, first: int, last: int) -> Iterator[_Make]:
        """Give what makes the pieces from one height to another. Raises ``SourceError``."""


def build(
    folder: Path,
    source: BlockSource,
    *,
    progress: Progress | None = None,
    until: int | None = None,
    batch_bytes: int = BATCH_BYTES,
    partition: int = PARTITION,
) -> IndexStatus:
    """Bring an index up to the source's last block, or up to a height; whatever stops it, the next call goes on.

    Blocks that a reorg took away are taken back first. A source that is merely behind (its last block is in the index)
    changes nothing. ``partition`` is how many heights a Parquet partition spans, which a new index keeps for good.

    Raises ``WrongChainError``, ``BadBlockError``, ``SourceError``, ``IndexBusyError``, ``IndexMissingError``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(PermissionError):  # a folder above that is not ours to read
        sync_folder(folder.parent)
    with locked(folder, BUILDER, patience_s=0):
        manifest = _opened(folder, source, partition)
        moves = 0
        while True:
            begun = _to_fork(folder, manifest, source)
            try:
                manifest = _forward(folder, begun, source, _Wanted(until, batch_bytes, progress))
                break
            except ChainMovedError:
                manifest = read_manifest(folder)
                moves = 0 if manifest.height > begun.height else moves + 1
                if moves == _MOVES:
                    raise
        _write_parquet(folder, manifest, manifest.height)
        parquet.drop_above(folder, manifest.height)
        return folder_status(folder)


@dataclass(frozen=True, slots=True)
class _Wanted:
    until: int | None
    batch_bytes: int
    progress: Progress | None


def _opened(folder: Path, source: BlockSource, partition: int) -> Manifest:
    """Open the index, or begin a new one, and take back what was not finished."""
    try:
        manifest = read_manifest(folder)
    except IndexMissingError:
        if (folder / MANIFEST).exists():
            raise
        manifest = Manifest(source.chain, source.first_height, partition)
        create(folder, manifest)
    if manifest.chain != source.chain:
        message = f"the index in {folder} is of {manifest.chain}, the source follows {source.chain}"
        raise WrongChainError(message)
    # Without the mark, only what no reader sees is left to be cut off; then nobody has to wait for readers.
    with locked(folder, READERS) if (folder / CHANGING).exists() else nullcontext():
        repair(folder, manifest)
    parquet.drop_above(folder, manifest.height)
    parquet.describe(folder, manifest)
    return manifest


def _to_fork(folder: Path, manifest: Manifest, source: BlockSource) -> Manifest:
    """Take back the blocks that the source does not have, unless it merely has fewer."""
    if not manifest.counts.blocks:
        return manifest
    columns = open_tables(folder, manifest).columns
    tip = source.tip().height
    height = min(manifest.height, tip)
    if source.hash_at(manifest.first_height) != _hash(columns, manifest.first_height):
        message = f"the source and the index in {folder} have not even block {manifest.first_height} in common"
        raise WrongChainError(message)
    while source.hash_at(height) != _hash(columns, height):
        height -= 1
    if height in {manifest.height, tip}:
        return manifest
    del columns  # its files are about to shrink
    after = roll_back(folder, manifest, height)
    # Before the partition of the fork is written again: never do partitions of two branches stand beside each other.
    parquet.drop_above(folder, after.height)
    return after


def _forward(folder: Path, manifest: Manifest, source: BlockSource, wanted: _Wanted) -> Manifest:
    tip = source.tip().height
    goal = tip if wanted.until is None else min(tip, wanted.until)
    if goal <= manifest.height:
        return manifest
    batches = _prepared(source, manifest.height + 1, goal, wanted.batch_bytes)
    # The next blocks are read and parsed while these are numbered and written.
    with _ahead() as pool:
        ahead = pool.submit(next, batches, None)
        while (make := ahead.result()) is not None:
            ahead = pool.submit(next, batches, None)
            manifest = append(folder, manifest, make(open_tables(folder, manifest)))
            if wanted.progress is not None:
                wanted.progress(manifest.counts.blocks, goal - manifest.first_height + 1)
            manifest = _write_parquet(folder, manifest, partition_start(manifest, manifest.height + 1) - 1)
    return manifest


@contextmanager
def _ahead() -> Iterator[ThreadPoolExecutor]:
    """Give a thread beside this one; a key press does not wait for what it reads or compiles, which changes nothing."""
    pool = ThreadPoolExecutor(1)
    patient = True
    try:
        yield pool
    except KeyboardInterrupt:
        patient = False
        raise
    finally:
        pool.shutdown(wait=patient, cancel_futures=True)


def _prepared(source: BlockSource, first: int, last: int, batch_bytes: int) -> Iterator[_Make]:
    if isinstance(source, PieceSource):
        for make in source.pieces(first, last):
            yield partial(_checked, make)
        return
    for blocks in _batches(source.blocks(first, last), batch_bytes):
        yield partial(_numbered, blocks, parse(blocks))


def _batches(blocks: Iterator[RawBlock], batch_bytes: int) -> Iterator[list[RawBlock]]:
    batch: list[RawBlock] = []
    size = 0
    for block in blocks:
        batch.append(block)
        size += len(block.raw)
        if size >= batch_bytes or len(batch) >= BATCH_BLOCKS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _numbered(blocks: list[RawBlock], parsed: Parsed, tables: Tables) -> Piece:
    check_links(tables.columns, blocks, parsed)
    return resolve(tables, parsed)


def _checked(make: _Make, tables: Tables) -> Piece:
    piece = make(tables)
    check_fits(tables, piece)
    return piece


def _write_parquet(folder: Path, manifest: Manifest, through: int) -> Manifest:
    """Write the Parquet partitions up to a height, each in one step."""
    while manifest.parquet_through < through:
        start = partition_start(manifest, max(manifest.parquet_through + 1, manifest.first_height))
        end = min(start + manifest.partition - 1, manifest.height)
        parquet.write_partition(folder, open_tables(folder, manifest), start, end)
        manifest = replace(manifest, parquet_through=end)
        write_manifest(folder, manifest)
    return manifest


def _hash(columns: Columns, height: int) -> str:
    return bytes(columns.block_hash[height - columns.first_height][::-1]).hex()
