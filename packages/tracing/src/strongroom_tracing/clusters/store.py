"""Clusters beside their index: memory-mapped arrays and a manifest that says of which chain, to which height, they are.

The folder holds one generation of arrays and ``manifest.json``, which names it and is replaced atomically: whoever is
interrupted leaves the generation before. One process writes at a time; readers need no lock, since what they have
mapped stays theirs. Files are NumPy's own format, so that the same clusters are the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from strongroom_tracing.clusters.errors import ClustersBusyError, ClustersDamagedError, ClustersMissingError
from strongroom_tracing.clusters.locks import writing
from strongroom_tracing.clusters.model import Clusters, Settings
from strongroom_tracing.clusters.service import cluster, extend, rewind
from strongroom_tracing.columns import Columns
from strongroom_tracing.files import replace_file, sync_folder

RULES: Final = 3  # of what joins addresses; with other rules saved clusters are made anew
DEEPEST: Final = 1_000  # blocks; a deeper reorg makes the clusters anew
MANIFEST: Final = "manifest.json"
_ARRAYS: Final = ("up", "link", "cluster", "follow", "mixing")

Progress = Callable[[int, int], None]


class ClusteredIndex(Protocol):
    """What an index gives for this."""

    @property
    def columns(self) -> Columns:
        """The chain."""

    def dataset_hash(self, height: int) -> str:
        """Name the data up to a height."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What saved clusters were made of.

    ``earlier_hashes`` are the dataset hashes of the heights below ``height``, downwards. ``first_height`` is the
    index's: from another one addresses and chain txs have other numbers (-1 in manifests that did not say it).
    """

    chain: str
    height: int
    txs: int
    addresses: int
    rules: int
    settings: Settings
    dataset_hash: str
    generation: str
    first_height: int = -1
    earlier_hashes: tuple[str, ...] = ()


def update(
    folder: Path, index: ClusteredIndex, settings: Settings | None = None, progress: Progress | None = None
) -> Clusters:
    """Bring the clusters in a folder to the index's last block, and give them; the result is that of making them anew.

    New blocks are added, the blocks of a reorg taken back first. With other settings or rules, of another chain or
    another first block, after a deeper reorg than ``DEEPEST``, or where nothing is there, they are made anew. Two
    updates at once: one waits for the other. Raises ``ClustersDamagedError``, ``ClustersBusyError``.
    """
    wanted = settings or Settings()
    if not index.columns.blocks:
        return cluster(index.columns, wanted)
    made = _current(folder, index, wanted)
    if made is not None:
        return made
    with writing(folder):
        made = _current(folder, index, wanted)  # whoever held the lock before may have done it
        if made is not None:
            return made
        save(folder, index, _updated(folder, index, wanted, progress))
        return load(folder, index)


def _current(folder: Path, index: ClusteredIndex, wanted: Settings) -> Clusters | None:
    """Give saved clusters that are up to date, None where there are no such."""
    if not (folder / MANIFEST).exists():
        return None
    manifest = read_manifest(folder)
    columns = index.columns
    if manifest.settings != wanted or manifest.txs != columns.txs or _fork(manifest, index, wanted) != manifest.height:
        return None
    try:
        return _read(folder, manifest, columns)
    except ClustersDamagedError:
        if read_manifest(folder) == manifest:
            raise
        return None  # a writer took them away meanwhile


def _updated(folder: Path, index: ClusteredIndex, wanted: Settings, progress: Progress | None) -> Clusters:
    """Make clusters from those that are saved, as far as they fit, or anew."""
    columns = index.columns
    manifest = read_manifest(folder) if (folder / MANIFEST).exists() else None
    fork = None if manifest is None else _fork(manifest, index, wanted)
    if manifest is None or fork is None:
        return cluster(columns, wanted, progress)
    made = replace(_read(folder, manifest, columns), settings=wanted)
    if fork < manifest.height:
        made = rewind(made, _until(columns, fork))
    return extend(made, columns, progress)


def load(folder: Path, index: ClusteredIndex) -> Clusters:
    """Open saved clusters, memory-mapped.

    ``ClustersMissingError`` without any, ``ClustersDamagedError`` if of another chain.
    """
    manifest = read_manifest(folder)
    columns = index.columns
    last = columns.first_height + columns.blocks - 1
    begun = manifest.rules == RULES and manifest.first_height == columns.first_height <= manifest.height
    if not begun or manifest.height > last or index.dataset_hash(manifest.height) != manifest.dataset_hash:
        message = f"The clusters in {folder} are of other blocks or rules; bring them up to date first."
        raise ClustersDamagedError(message)
    return _opened(folder, manifest, columns)


def _opened(folder: Path, manifest: Manifest, columns: Columns) -> Clusters:
    """Open what a manifest names. Where a writer took it away meanwhile, that is another state: try once more."""
    try:
        return _read(folder, manifest, columns)
    except ClustersDamagedError:
        now = read_manifest(folder)
        if now == manifest:
            raise
        if now.dataset_hash != manifest.dataset_hash:
            message = f"The clusters in {folder} were brought to other blocks meanwhile; ask again."
            raise ClustersBusyError(message) from None
        return _read(folder, now, columns)


def read_manifest(folder: Path) -> Manifest:
    """Read what saved clusters were made of; ``ClustersMissingError`` without any."""
    try:
        data: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        data.pop("block_hashes", None)  # of older rules
        settings = Settings(**{name: tuple(numbers) for name, numbers in data.pop("settings").items()})
        return Manifest(**(data | {"settings": settings, "earlier_hashes": tuple(data.get("earlier_hashes", ()))}))
    except FileNotFoundError as error:
        message = f"There are no clusters in {folder}; make them first."
        raise ClustersMissingError(message) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        message = f"{folder / MANIFEST} is not readable; delete the folder and make the clusters anew."
        raise ClustersDamagedError(message) from error


def save(folder: Path, index: ClusteredIndex, clusters: Clusters) -> Manifest:
    """Write a generation, then the manifest that names it, then remove what came before."""
    manifest = _manifest(index, clusters)
    arrays = folder / manifest.generation
    shutil.rmtree(arrays, ignore_errors=True)
    arrays.mkdir(parents=True)
    for name in _ARRAYS:
        with (arrays / f"{name}.npy").open("wb") as file:
            np.save(file, getattr(clusters, name), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
    sync_folder(arrays)
    replace_file(folder / MANIFEST, (json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n").encode())
    for old in folder.iterdir():
        if old.is_dir() and old.name != manifest.generation:
            shutil.rmtree(old, ignore_errors=True)
    return manifest


def _manifest(index: ClusteredIndex, clusters: Clusters) -> Manifest:
    columns = clusters.columns
    last = columns.first_height + columns.blocks - 1
    name = index.dataset_hash(last)
    named = hashlib.sha256(f"{RULES}\n{clusters.settings}\n{columns.first_height}\n{name}".encode()).hexdigest()
    below = range(last - 1, max(columns.first_height, last - DEEPEST) - 1, -1)
    return Manifest(
        chain=columns.chain,
        height=last,
        txs=clusters.txs,
        addresses=clusters.addresses,
        rules=RULES,
        settings=clusters.settings,
        dataset_hash=name,
        earlier_hashes=tuple(index.dataset_hash(height) for height in below),
        generation=f"{last}-{named[:16]}",
        first_height=columns.first_height,
    )


def _fork(manifest: Manifest, index: ClusteredIndex, settings: Settings) -> int | None:
    """Give the last height at which the clusters and the index agree; None if they have to be made anew."""
    columns = index.columns
    last = columns.first_height + columns.blocks - 1
    if (manifest.chain, manifest.rules, manifest.first_height) != (columns.chain, RULES, columns.first_height):
        return None
    known = manifest.txs, manifest.addresses
    if manifest.settings.until(*known) != settings.until(*known):  # what names new chain txs only changes nothing
        return None
    if manifest.height <= last and index.dataset_hash(manifest.height) == manifest.dataset_hash:
        return manifest.height
    for depth, known_hash in enumerate(manifest.earlier_hashes, start=1):
        height = manifest.height - depth
        if columns.first_height <= height <= last and index.dataset_hash(height) == known_hash:
            return height
    return None


def _until(columns: Columns, height: int) -> Columns:
    """Give the beginning of a chain up to a height, as far as taking back unions needs it."""
    blocks = height - columns.first_height + 1
    txs = int(columns.block_first_tx[blocks])
    outputs = int(columns.tx_first_output[txs])
    inputs = int(columns.tx_first_input[txs])
    paid = columns.output_address[:outputs]
    return Columns(
        chain=columns.chain,
        first_height=columns.first_height,
        block_hash=columns.block_hash[:blocks],
        block_time=columns.block_time[:blocks],
        block_first_tx=columns.block_first_tx[: blocks + 1],
        txid=columns.txid[:txs],
        tx_first_input=columns.tx_first_input[: txs + 1],
        tx_first_output=columns.tx_first_output[: txs + 1],
        input_spent=columns.input_spent[:inputs],
        external_value=columns.external_value,
        output_value=columns.output_value[:outputs],
        output_address=paid,
        output_spending=columns.output_spending[:outputs],
        addresses=int(paid.max(initial=-1)) + 1,
    )


def _read(folder: Path, manifest: Manifest, columns: Columns) -> Clusters:
    arrays = folder / manifest.generation
    try:
        up, link, ids, follow, mixing = (np.load(arrays / f"{name}.npy", mmap_mode="r") for name in _ARRAYS)
    except (OSError, EOFError, ValueError) as error:
        message = (
            f"The arrays of the clusters in {folder} are missing or damaged; delete the folder and make them anew."
        )
        raise ClustersDamagedError(message) from error
    if {len(up), len(link), len(ids), len(follow)} != {manifest.addresses} or len(mixing) != manifest.txs:
        message = f"The arrays of the clusters in {folder} are cut short; delete the folder and make them anew."
        raise ClustersDamagedError(message)
    return Clusters(manifest.txs, up, link, ids, follow, mixing, manifest.settings, columns)
