"""The whole of an index while it is read: its columns, its scripts, and the runs that find chain txs and scripts."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from strongroom_tracing.columns import UNSPENT, Columns
from strongroom_tracing.index.model import IndexStatus, Tip
from strongroom_tracing.index.runs import Run, Table, frozen, make_run, prefixes


@dataclass(frozen=True, slots=True)
class Tables:
    """Columns, scripts and runs that belong together.

    Script ``n`` is ``script_bytes[script_at[n]:script_at[n + 1]]``. A digest says all that the index knows up to a
    block (see ``content``); tables of a made-up chain have none.
    """

    columns: Columns
    script_at: npt.NDArray[np.int64]  # (addresses + 1)
    script_bytes: npt.NDArray[np.uint8]
    tx_runs: tuple[Run, ...]
    script_runs: tuple[Run, ...]
    block_digest: npt.NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 32), np.uint8))  # (blocks, 32)

    @property
    def txids(self) -> Table:
        """The txids, to find chain txs in."""
        return Table(self.columns.txid.reshape(-1), np.empty(0, np.int64), self.columns.txs)

    @property
    def scripts(self) -> Table:
        """The scripts, to find addresses in."""
        return Table(self.script_bytes, self.script_at, self.columns.addresses)


@dataclass(frozen=True, slots=True)
class Piece:
    """What some more blocks add to the tables.

    Numbers are of the whole index, ``*_first_*`` without the leading entry.
    """

    block_hash: npt.NDArray[np.uint8]
    block_time: npt.NDArray[np.int64]
    block_first_tx: npt.NDArray[np.int64]
    txid: npt.NDArray[np.uint8]
    tx_first_input: npt.NDArray[np.int64]
    tx_first_output: npt.NDArray[np.int64]
    input_spent: npt.NDArray[np.int64]
    external_value: npt.NDArray[np.int64]
    output_value: npt.NDArray[np.int64]
    output_address: npt.NDArray[np.int64]
    script_at: npt.NDArray[np.int64]
    script_bytes: npt.NDArray[np.uint8]
    script_key: npt.NDArray[np.uint64]  # of the new scripts, in their order


def empty_tables(chain: str, first_height: int) -> Tables:
    """Make the tables of a chain of which nothing is known yet."""
    none, hashes, zero = np.empty(0, np.int64), np.empty((0, 32), np.uint8), np.zeros(1, np.int64)
    columns = Columns(chain, first_height, hashes, none, zero, hashes, zero, zero, none, none, none, none, none, 0)
    return Tables(read_only(columns), zero, np.empty(0, np.uint8), (), ())


def tables_of(empty: Tables, piece: Piece, block_digest: npt.NDArray[np.uint8]) -> Tables:
    """Make tables of a piece that nothing comes before, and of its digests."""
    columns = replace(
        empty.columns,
        block_hash=piece.block_hash,
        block_time=piece.block_time,
        block_first_tx=_from_zero(piece.block_first_tx),
        txid=piece.txid,
        tx_first_input=_from_zero(piece.tx_first_input),
        tx_first_output=_from_zero(piece.tx_first_output),
        input_spent=piece.input_spent,
        external_value=piece.external_value,
        output_value=piece.output_value,
        output_address=piece.output_address,
        output_spending=spending_of(piece),
        addresses=len(piece.script_at),
    )
    runs = (make_run(0, prefixes(piece.txid)),), (make_run(0, piece.script_key),)
    return Tables(read_only(columns), _from_zero(piece.script_at), piece.script_bytes, *runs, frozen(block_digest))


def spending_of(piece: Piece, txs: int = 0, outputs: int = 0) -> npt.NDArray[np.int64]:
    """Give which chain tx of a piece, which comes after so many, spends each of its own outputs."""
    spending = np.full(len(piece.output_value), UNSPENT, np.int64)
    tx, spent = spenders(piece, txs)
    own = spent >= outputs
    spending[spent[own] - outputs] = tx[own]
    return spending


def spenders(piece: Piece, txs: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give the chain tx and the output of every input of a piece that spends an output of the index."""
    inputs = np.diff(piece.tx_first_input, prepend=piece.tx_first_input[:1] - _first_count(piece))
    tx = txs + np.repeat(np.arange(len(piece.txid)), inputs)
    inside = piece.input_spent >= 0
    return tx[inside], piece.input_spent[inside]


def read_only(columns: Columns) -> Columns:
    """Give the same columns, of which no array can be written."""
    values: dict[str, Any] = {field.name: getattr(columns, field.name) for field in fields(columns)}
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            values[name] = frozen(value)
    return Columns(**values)


def status_of(columns: Columns) -> IndexStatus:
    """Say how far columns go."""
    last = columns.first_height + columns.blocks - 1
    tip = Tip(last, columns.block_hash[-1].tobytes()[::-1].hex()) if columns.blocks else None
    return IndexStatus(
        chain=columns.chain,
        first_height=columns.first_height,
        tip=tip,
        blocks=columns.blocks,
        txs=columns.txs,
        inputs=len(columns.input_spent),
        outputs=columns.outputs,
        addresses=columns.addresses,
        parquet_through=-1,
        stored_bytes=0,
    )


def _from_zero(ends: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.concatenate((np.zeros(1, np.int64), ends))


def _first_count(piece: Piece) -> npt.NDArray[np.int64]:
    """How many inputs the first chain tx of a piece has: those that no later one counts."""
    later = piece.tx_first_input[-1:] - piece.tx_first_input[:1]
    return len(piece.input_spent) - later
