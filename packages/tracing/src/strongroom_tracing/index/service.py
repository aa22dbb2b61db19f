"""The doors of an index: what stands in a chain of coins, by number and by name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import numpy as np
import numpy.typing as npt

from strongroom_core.assets import Chain
from strongroom_tracing.columns import Columns
from strongroom_tracing.index.addresses import address_of, hash_of, network_of, script_of
from strongroom_tracing.index.content import digests, first_digest
from strongroom_tracing.index.errors import BadBlockError, UnknownOutputError
from strongroom_tracing.index.hashed import find_hashed
from strongroom_tracing.index.hashing import HASH_BYTES
from strongroom_tracing.index.layout import CHANGING, MANIFEST, Counts, open_tables, read_manifest, repair
from strongroom_tracing.index.linking import check_links, with_gaps
from strongroom_tracing.index.locks import BUILDER, READERS, lock, locked
from strongroom_tracing.index.model import IndexStatus, RawBlock, Tip
from strongroom_tracing.index.parsing import parse, script_key
from strongroom_tracing.index.resolving import resolve
from strongroom_tracing.index.runs import NOT_FOUND, Queries, find, prefixes
from strongroom_tracing.index.tables import Tables, empty_tables, status_of, tables_of
from strongroom_tracing.index.verifying import verify

_OUTPOINT: Final = re.compile(r"([0-9a-f]{64}):(0|[1-9][0-9]{0,9})")
_TXID: Final = re.compile(r"[0-9a-f]{64}")
_NO_LIMIT: Final = np.array([np.iinfo(np.int64).max])


class Index:
    """An index of a chain of coins that is only read.

    Use it as a context manager, or ``close`` it, to let a builder on.
    """

    def __init__(self, tables: Tables, status: IndexStatus, *, lock: IO[bytes] | None = None) -> None:
        """Show tables that belong together; ``in_memory`` and ``Index.open`` make them."""
        self._tables = tables
        self._status = status
        self._lock = lock
        self._network = network_of(tables.columns.chain)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the index in a folder. While it is open, a builder can read on but must wait before it changes anything.

        Raises ``IndexMissingError``, or ``IndexBusyError`` while another process changes it.
        """
        held = _hold(folder)
        try:
            return cls(open_tables(folder, read_manifest(folder)), folder_status(folder), lock=held)
        except BaseException:
            held.close()
            raise

    def close(self) -> None:
        """Let builders change the folder. What was read from it (the columns too) must not be used any more."""
        self._tables = empty_tables(self.chain, self.columns.first_height)
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def columns(self) -> Columns:
        """The columns, read-only."""
        return self._tables.columns

    @property
    def chain(self) -> str:
        """The CAIP-2 id of the chain."""
        return self.columns.chain

    @property
    def tip(self) -> Tip:
        """The last block. Raises ``BadBlockError`` while the index is empty."""
        if self._status.tip is None:
            message = "the index is empty; build it first"
            raise BadBlockError(message)
        return self._status.tip

    def status(self) -> IndexStatus:
        """Say how far the index has come."""
        return self._status

    def script(self, number: int) -> bytes:
        """Give the script of an address by its number."""
        begin, end = self._tables.script_at[number], self._tables.script_at[number + 1]
        return self._tables.script_bytes[begin:end].tobytes()

    @property
    def scripts(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        """Where each address's script begins and, last, where they end; and all scripts, end to end. Read-only."""
        return self._tables.script_at, self._tables.script_bytes

    def address_text(self, number: int) -> str:
        """Write an address as wallets do; a script that has none as ``script:`` or ``script-sha256:`` and hex."""
        return address_of(self.script(number), self._network)

    def find_address(self, text: str) -> int | None:
        """Find the number of an address; None if it is of another chain or was never paid here."""
        return self.addresses_of([text]).get(text)

    def addresses_of(self, texts: Iterable[str]) -> dict[str, int]:
        """Find the numbers of many addresses at once; those that are not here are left out."""
        scripts = {text: script_of(text, self._network) for text in texts}
        known = [(text, script) for text, script in scripts.items() if script is not None]
        numbers = find(self._tables.script_runs, self._tables.scripts, _script_queries([script for _, script in known]))
        found = {text: int(n) for (text, _), n in zip(known, numbers, strict=True)}
        hashed = {text: digest for text in scripts if (digest := hash_of(text)) is not None}
        found |= {text: find_hashed(self._tables, digest) for text, digest in hashed.items()}
        return {text: number for text, number in found.items() if number != NOT_FOUND}

    def find_tx(self, txid: str) -> int | None:
        """Find the number of a chain tx by its txid as people write it; of two with one txid (BIP 30), the later."""
        if not _TXID.fullmatch(txid):
            return None
        data = np.frombuffer(bytes.fromhex(txid)[::-1], np.uint8)
        key = prefixes(data.reshape(1, HASH_BYTES))
        queries = Queries(data, np.zeros(1, np.int64), np.full(1, HASH_BYTES), key, _NO_LIMIT)
        number = int(find(self._tables.tx_runs, self._tables.txids, queries)[0])
        return None if number == NOT_FOUND else number

    def find_output(self, outpoint: str) -> int:
        """Find the number of an output by ``txid:vout``. Raises ``UnknownOutputError``."""
        match = _OUTPOINT.fullmatch(outpoint)
        if match is None:
            message = f"{outpoint!r} is no output; write txid:number, like 9a27…c3e3:0"
            raise UnknownOutputError(message)
        tx = self.find_tx(match[1])
        if tx is None:
            message = f"no chain tx {match[1]} is in the index of {self.chain} up to height {self.tip.height}"
            raise UnknownOutputError(message)
        first = self.columns.tx_first_output
        output = int(first[tx]) + int(match[2])
        if output >= first[tx + 1]:
            message = f"chain tx {match[1]} has {int(first[tx + 1] - first[tx])} outputs, counted from 0"
            raise UnknownOutputError(message)
        return output

    def dataset_hash(self, height: int) -> str:
        """Name all that the index knows up to a height: a SHA-256, in hex, that ``content`` defines.

        It is the same however the index was built. Raises ``BadBlockError`` for a height that is not in the index.
        """
        columns = self.columns
        if not columns.first_height <= height < columns.first_height + columns.blocks:
            message = f"height {height} is not in the index, which goes to {self.tip.height}"
            raise BadBlockError(message)
        return bytes(self._tables.block_digest[height - columns.first_height]).hex()


def in_memory(blocks: Sequence[RawBlock], chain: Chain | str, *, gaps: bool = False) -> Index:
    """Index some blocks without a folder. With ``gaps``, heights that are missing between them are left empty.

    Raises ``BadBlockError`` for what is no block, blocks that do not follow each other, or that spend what cannot be
    there.
    """
    filled = with_gaps(blocks) if gaps else list(blocks)
    tables = empty_tables(str(chain), filled[0].height if filled else 0)
    parsed = parse(filled)
    check_links(tables.columns, filled, parsed)
    piece = resolve(tables, parsed)
    first = first_digest(tables.columns.chain, tables.columns.first_height)
    made = tables_of(tables, piece, digests(first, Counts(), piece))
    return Index(made, status_of(made.columns))


def folder_status(folder: Path) -> IndexStatus:
    """Say how far the index in a folder has come, without opening it. Raises ``IndexMissingError``."""
    manifest = read_manifest(folder)
    stored = sum(_sizes(folder))
    status = status_of(open_tables(folder, manifest).columns)
    return replace(status, parquet_through=manifest.parquet_through, stored_bytes=stored)


def check_folder(folder: Path) -> IndexStatus:
    """Read all of the index in a folder, and compare every column with its blocks' digests; see ``verifying``.

    Builders wait meanwhile. Raises ``IndexDamagedError``, ``IndexMissingError``, ``IndexBusyError``.
    """
    with _hold(folder):
        verify(folder, read_manifest(folder))
        return folder_status(folder)


def _sizes(folder: Path) -> Iterator[int]:
    """Give the size of every file; a builder may take some away meanwhile."""
    for here, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                yield (Path(here) / name).stat().st_size


def _hold(folder: Path) -> IO[bytes]:
    """Keep builders from changing the folder; take back first what one left half-done when it was killed."""
    if not (folder / MANIFEST).exists():
        read_manifest(folder)
    while True:
        held = lock(folder, READERS, shared=True)
        if not (folder / CHANGING).exists():
            return held
        held.close()
        with locked(folder, BUILDER), locked(folder, READERS):
            repair(folder, read_manifest(folder))


def _script_queries(scripts: Sequence[bytes]) -> Queries:
    length = np.array([len(script) for script in scripts], np.int64)
    key = np.array([script_key(script) for script in scripts], np.uint64)
    data = np.frombuffer(b"".join(scripts), np.uint8)
    return Queries(data, np.cumsum(length) - length, length, key, np.full(len(scripts), _NO_LIMIT[0]))
