"""Building an index, and following the chain: resumable after every commit, rolled back to the fork after a reorg."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from strongroom_tracing.accounts import store
from strongroom_tracing.accounts.errors import ForeignChainError, IndexBusyError, ReorgedError, SourceError
from strongroom_tracing.accounts.model import BlockTransfers, Status
from strongroom_tracing.accounts.parquet import blocks_of
from strongroom_tracing.accounts.store import RANGE_BLOCKS, Manifest, Range
from strongroom_tracing.files import take_lock

Progress = Callable[[int, int], None]
ROUNDS: Final = 10  # a chain that changes more often than this while it is read is not one to be followed now


class BlockSource(Protocol):
    """Blocks with their transfers, from ``first`` on; ``traced`` where coin inside of contract calls is among them."""

    @property
    def chain(self) -> str:
        """The CAIP-2 id."""

    @property
    def first(self) -> int:
        """The first height that it has."""

    @property
    def traced(self) -> bool:
        """Whether it tells of coin inside of contract calls."""

    def tip(self) -> tuple[int, bytes]:
        """Give the newest block: height, hash."""

    def hash_at(self, height: int) -> bytes | None:
        """Give the hash of a block; None where there is none of that height."""

    def blocks(self, first: int, last: int) -> Iterator[BlockTransfers]:
        """Read blocks in order."""


def build(
    folder: Path, source: BlockSource, *, progress: Progress | None = None, until: int | None = None,
    batch: int = 200, first: int | None = None,
) -> Status:  # fmt: skip
    """Bring an index to the source's newest block (or ``until``), from its own newest or from ``first``.

    Raises ``ForeignChainError`` where the index is of another chain, ``SourceError``, and ``ReorgedError`` where the
    source changes again and again while it is read.
    """
    store.make_folder(folder)
    with only_one(folder):
        manifest = store.load_manifest(folder) or Manifest(source.chain, source.traced, "", ())
        if (manifest.chain, manifest.traced) != (source.chain, source.traced):
            message = (
                f"{folder} is of {manifest.chain} ({'with' if manifest.traced else 'without'} traces), the source of "
                f"{source.chain} ({'with' if source.traced else 'without'}): use a folder for each"
            )
            raise ForeignChainError(message)
        store.sweep(folder, manifest)
        return _follow(folder, source, manifest, progress, until, batch, first)


def _follow(
    folder: Path, source: BlockSource, manifest: Manifest, progress: Progress | None, until: int | None,
    batch: int, first: int | None,
) -> Status:  # fmt: skip
    for _ in range(ROUNDS):
        manifest = _roll_back(folder, source, manifest)
        try:
            for grown in _forward(folder, source, manifest, until, batch, first):
                manifest = grown
                if progress is not None:
                    progress(manifest.height, until if until is not None else source.tip()[0])
            return manifest.status()
        except ReorgedError:
            manifest = store.load_manifest(folder) or replace(manifest, ranges=(), tip_hash="")
    message = f"the chain changed {ROUNDS} times while it was read; wait for it to settle, then go on"
    raise ReorgedError(message)


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Let no other builder work on a folder meanwhile. Raises ``IndexBusyError``."""
    with (folder / ".lock").open("w") as file:
        if not take_lock(file):
            message = f"another process builds {folder}: wait for it"
            raise IndexBusyError(message)
        yield


def _commit(folder: Path, manifest: Manifest) -> Manifest:
    store.save_manifest(folder, manifest)
    store.sweep(folder, manifest)
    return manifest


def _roll_back(folder: Path, source: BlockSource, manifest: Manifest) -> Manifest:
    """Drop the blocks that are no longer the source's."""
    if not manifest.ranges or source.hash_at(manifest.height) == bytes.fromhex(manifest.tip_hash):
        return manifest
    if source.hash_at(manifest.height) is None and source.tip()[0] < manifest.height:
        return _after_a_shorter_chain(folder, source, manifest)
    return _cut_to_fork(folder, source, manifest)


def _after_a_shorter_chain(folder: Path, source: BlockSource, manifest: Manifest) -> Manifest:
    """A source that is behind us on our own chain takes nothing away."""
    height, tip = source.tip()
    ours = _hashes(folder, manifest)
    return manifest if ours.get(height) == tip else _cut_to_fork(folder, source, manifest)


def _hashes(folder: Path, manifest: Manifest) -> dict[int, bytes]:
    return {
        block.height: block.block_hash
        for one in manifest.ranges
        for block in blocks_of(store.read(folder, "blocks", one))
    }


def _cut_to_fork(folder: Path, source: BlockSource, manifest: Manifest) -> Manifest:
    ranges = list(manifest.ranges)
    while ranges:
        last = ranges.pop()
        for block in reversed(blocks_of(store.read(folder, "blocks", last))):
            if source.hash_at(block.height) == block.block_hash:
                ranges.append(store.cut_range(folder, last, block.height))
                cut = replace(manifest, tip_hash=block.block_hash.hex(), ranges=tuple(ranges))
                return _commit(folder, cut)
    message = f"{folder} and the source have no block in common: it is of another chain, or the source begins later"
    raise ForeignChainError(message)


def _forward(
    folder: Path, source: BlockSource, manifest: Manifest, until: int | None, batch: int, first: int | None
) -> Iterator[Manifest]:
    tip = source.tip()[0]
    last = tip if until is None else min(tip, until)
    start = manifest.height + 1 if manifest.ranges else (source.first if first is None else first)
    blocks = source.blocks(start, last)
    before = bytes.fromhex(manifest.tip_hash) if manifest.ranges else None
    while start <= last:
        stop = min(start + batch, last + 1, _range_of(start) + RANGE_BLOCKS)
        taken = list(islice(blocks, stop - start))
        if len(taken) < stop - start:
            message = f"the source ended at block {start + len(taken)} of {last}"
            raise ReorgedError(message)
        for height, one in enumerate(taken, start):
            if one.block.height != height:
                message = f"the source gave block {one.block.height} where {height} was due"
                raise SourceError(message)
            if before is not None and one.block.parent_hash != before:
                message = f"block {one.block.height} does not follow the one before it"
                raise ReorgedError(message)
            before = one.block.block_hash
        manifest = _commit(folder, _extended(folder, manifest, taken))
        yield manifest
        start = stop


def _range_of(height: int) -> int:
    return height - height % RANGE_BLOCKS


def _extended(folder: Path, manifest: Manifest, blocks: list[BlockTransfers]) -> Manifest:
    height = _range_of(blocks[0].block.height)
    ranges: list[Range] = list(manifest.ranges)
    if ranges and ranges[-1].height == height:
        ranges.append(store.extend_range(folder, ranges.pop(), blocks))
    else:
        ranges.append(store.write_range(folder, height, blocks))
    return replace(manifest, tip_hash=blocks[-1].block.block_hash.hex(), ranges=tuple(ranges))
