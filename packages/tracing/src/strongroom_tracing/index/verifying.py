"""Reading all of an index, to see that every column is what its blocks' digests say; see ``content``.

Opening an index reads nothing but the sizes of its files, so that a byte that the disk lost is believed. The columns
that a digest covers are compared with it; those that only repeat them (who spends an output, how many addresses there
were, where to look for a name) are compared with what they repeat.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.columns import COINBASE, UNSPENT
from strongroom_tracing.index.content import COVERED, addresses_by_block, digests, first_digest
from strongroom_tracing.index.errors import IndexDamagedError
from strongroom_tracing.index.layout import (
    ADDRESS_COUNTS,
    DIGESTS,
    FILES,
    Counts,
    Manifest,
    RunFile,
    column_path,
    damaged,
    map_column,
    open_run,
    run_path,
)
from strongroom_tracing.index.parsing import script_key
from strongroom_tracing.index.runs import Queries, Run, Table, find, prefixes
from strongroom_tracing.index.tables import Piece, spenders

Array = npt.NDArray[Any]
BLOCKS: Final = 500  # worked on at a time
_KEYS: Final = 1 << 20
_ENDS: Final = {  # columns that say where each part of another ends
    "block_first_tx": "txs",
    "tx_first_input": "inputs",
    "tx_first_output": "outputs",
    ADDRESS_COUNTS: "addresses",
    "script_at": "script_bytes",
}


def verify(folder: Path, manifest: Manifest) -> None:
    """Compare everything that counts in a folder. Raises ``IndexDamagedError``: the file, or the first block.

    Nobody may change the folder meanwhile.
    """
    column = {name: map_column(folder, manifest, name) for name in FILES}
    for name, counted in _ENDS.items():
        ends = column[name]
        if ends[0] != 0 or ends[-1] != getattr(manifest.counts, counted) or (ends[1:] < ends[:-1]).any():
            raise damaged(column_path(folder, name))
    spent, external = 0, 0
    last = first_digest(manifest.chain, manifest.first_height)
    for first in range(0, manifest.counts.blocks, BLOCKS):
        before = _counts(column, first, external)
        after = _counts(column, min(first + BLOCKS, manifest.counts.blocks), 0)
        piece = _piece(column, before, after)
        _check_blocks(folder, manifest, column, before, piece, last)
        tx, output = spenders(piece, before.txs)
        if (column["output_spending"][output] != tx).any():
            raise damaged(column_path(folder, "output_spending"))
        spent, external = spent + len(output), before.externals + len(piece.external_value)
        last = bytes(column[DIGESTS][after.blocks - 1])
    if spent != np.count_nonzero(column["output_spending"] != UNSPENT):
        raise damaged(column_path(folder, "output_spending"))
    _check_runs(folder, manifest, column)


def _counts(column: dict[str, Array], blocks: int, externals: int) -> Counts:
    """How many entries the first blocks have, by the columns that say where each part ends."""
    txs, addresses = int(column["block_first_tx"][blocks]), int(column[ADDRESS_COUNTS][blocks])
    inputs, outputs = int(column["tx_first_input"][txs]), int(column["tx_first_output"][txs])
    return Counts(blocks, txs, inputs, externals, outputs, addresses, int(column["script_at"][addresses]))


def _piece(column: dict[str, Array], before: Counts, after: Counts) -> Piece:
    inputs = column["input_spent"][before.inputs : after.inputs]
    end = before.externals + int(np.count_nonzero(inputs < COINBASE))
    found = {}
    for name, counted in COVERED.items():
        first, last = getattr(before, counted), end if counted == "externals" else getattr(after, counted)
        more = FILES[name][3]
        found[name] = column[name][first + more : last + more]
    return Piece(**found, script_key=np.empty(0, np.uint64))


def _check_blocks(
    folder: Path, manifest: Manifest, column: dict[str, Array], before: Counts, piece: Piece, last: bytes
) -> None:
    """Compare blocks with their digests. Where one is none of its columns', only the block can be named."""
    first = before.blocks
    here = slice(first, first + len(piece.block_hash))
    wrong = addresses_by_block(before, piece) != column[ADDRESS_COUNTS][1:][here]
    if not wrong.any():
        wrong = (digests(last, before, piece) != column[DIGESTS][here]).any(axis=1)
    if wrong.any():
        height = manifest.first_height + first + int(np.argmax(wrong))
        message = (
            f"the columns in {folder} say something else of block {height} than its digest does: put the folder back "
            f"from a copy, or build the index anew in another one"
        )
        raise IndexDamagedError(message)


def _check_runs(folder: Path, manifest: Manifest, column: dict[str, Array]) -> None:
    """Look up every chain tx and every script, as a question would."""
    txids, at, scripts = column["txid"].reshape(-1), column["script_at"], column["script_bytes"]
    for first in range(0, manifest.counts.txs, _KEYS):
        hashes = column["txid"][first : first + _KEYS]
        number = np.arange(first, first + len(hashes))
        asked = Queries(txids, number * 32, np.full(len(number), 32), prefixes(hashes), _none(number))
        table = Table(txids, np.empty(0, np.int64), manifest.counts.txs)
        _check_found(folder, manifest.tx_runs, asked, table, number)
    for first in range(0, manifest.counts.addresses, _KEYS):
        number = np.arange(first, min(first + _KEYS, manifest.counts.addresses))
        ends = at[first : first + len(number) + 1].tolist()
        keys = [script_key(scripts[begin:end].tobytes()) for begin, end in pairwise(ends)]
        asked = Queries(scripts, at[number], np.diff(ends), np.array(keys, np.uint64), _none(number))
        _check_found(folder, manifest.script_runs, asked, Table(scripts, at, manifest.counts.addresses), number)


def _check_found(folder: Path, files: tuple[RunFile, ...], asked: Queries, table: Table, number: Array) -> None:
    runs: list[Run] = [open_run(folder, run) for run in files]
    lost = find(runs, table, asked) < number  # of two chain txs with one txid (BIP 30) the later is found
    if lost.any():
        wanted = int(number[np.argmax(lost)])
        raise damaged(run_path(folder, next(run.number for run in reversed(files) if run.first <= wanted)))


def _none(number: Array) -> Array:
    """No limit below which to look, for each."""
    return np.full(len(number), np.iinfo(np.int64).max)
