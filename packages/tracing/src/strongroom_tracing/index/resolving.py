"""From what stands in blocks to numbers: which output an input spends, which address an output pays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from strongroom_tracing.columns import COINBASE, Columns
from strongroom_tracing.compiled import compiled
from strongroom_tracing.index.checks import check_spending, check_values
from strongroom_tracing.index.errors import BadBlockError
from strongroom_tracing.index.gathering import gathered
from strongroom_tracing.index.parsing import Parsed
from strongroom_tracing.index.runs import NOT_FOUND, Queries, Table, find, frozen, make_run, prefixes
from strongroom_tracing.index.tables import Piece, Tables

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
TXID_BYTES = 32


@dataclass(frozen=True, slots=True)
class _Scripts:
    """The address of every output, and the scripts that are new: positions in the raw bytes, and keys."""

    address: Numbers
    at: Numbers
    length: Numbers
    key: npt.NDArray[np.uint64]


def resolve(tables: Tables, parsed: Parsed) -> Piece:
    """Number what blocks add to tables.

    Raises ``BadBlockError`` if they spend what is not there, spend it twice, or if what is said of values cannot be.

    A txid that stands for two chain txs (two coinbases of Bitcoin, before BIP 30) means the later one from then on,
    which is what nodes do too: they overwrote the coins of the earlier one.
    """
    columns = tables.columns
    spent, external = _spent_outputs(tables, parsed)
    check_spending(columns.output_spending, columns.outputs, spent)
    scripts = _addresses(tables, parsed)
    piece = Piece(
        block_hash=parsed.block_hash,
        block_time=parsed.block_time,
        block_first_tx=columns.txs + np.cumsum(parsed.block_txs),
        txid=parsed.txid,
        tx_first_input=len(columns.input_spent) + np.cumsum(parsed.tx_inputs),
        tx_first_output=columns.outputs + np.cumsum(parsed.tx_outputs),
        input_spent=spent,
        external_value=external,
        output_value=parsed.output_value,
        output_address=scripts.address,
        script_at=len(tables.script_bytes) + np.cumsum(scripts.length),
        script_bytes=gathered(parsed.raw, scripts.at, scripts.length),
        script_key=scripts.key,
    )
    check_values(columns, piece, said=parsed.spent_value)
    return piece


def _spent_outputs(tables: Tables, parsed: Parsed) -> tuple[Numbers, Numbers]:
    columns = tables.columns
    tx, vout = _spent_txs(tables, parsed), _vouts(parsed)
    spender = columns.txs + np.repeat(np.arange(len(parsed.txid)), parsed.tx_inputs)
    first = np.concatenate((np.zeros(1, np.int64), np.cumsum(parsed.tx_outputs))) + columns.outputs
    old, new = (tx >= 0) & (tx < columns.txs), tx >= columns.txs
    begin, end = np.zeros_like(tx), np.zeros_like(tx)
    begin[old], end[old] = columns.tx_first_output[tx[old]], columns.tx_first_output[tx[old] + 1]
    begin[new], end[new] = first[tx[new] - columns.txs], first[tx[new] - columns.txs + 1]
    spent = begin + vout
    missing = (parsed.outpoint_at >= 0) & (tx == NOT_FOUND)
    wrong = (tx >= 0) & (spent >= end)
    if np.any(missing) and _complete(columns, parsed):
        wrong |= missing
    if np.any(wrong):
        message = f"chain tx number {int(spender[wrong][0])} spends an output that does not exist"
        raise BadBlockError(message)
    spent[parsed.outpoint_at < 0] = COINBASE
    spent[missing] = -2 - (len(columns.external_value) + np.arange(np.count_nonzero(missing)))
    return spent, parsed.spent_value[missing]


def _complete(columns: Columns, parsed: Parsed) -> bool:
    """Whether nothing comes before the index and no block of it is missing: then nothing from outside can be spent."""
    hashes = (columns.block_hash, parsed.block_hash)
    return columns.first_height == 0 and all(bool(np.all(np.any(rows, axis=1))) for rows in hashes)


def _vouts(parsed: Parsed) -> Numbers:
    """Give the number of the output that each input names; 0 for coinbases."""
    at = np.maximum(parsed.outpoint_at, 0)[:, None] + TXID_BYTES + np.arange(4)
    if not len(parsed.raw):
        return np.zeros(len(parsed.outpoint_at), np.int64)
    named = np.ascontiguousarray(parsed.raw[at]).view("<u4").reshape(-1).astype(np.int64)
    return np.where(parsed.outpoint_at < 0, 0, named)


def _spent_txs(tables: Tables, parsed: Parsed) -> Numbers:
    """Give the number of the chain tx whose output each input spends: the latest of that txid before the spender."""
    known = tables.columns.txs
    at = parsed.outpoint_at
    words = parsed.raw[np.maximum(at, 0)[:, None] + np.arange(8)] if len(parsed.raw) else np.empty((0, 8), np.uint8)
    spender = known + np.repeat(np.arange(len(parsed.txid)), parsed.tx_inputs)
    queries = Queries(parsed.raw, at, np.full(len(at), TXID_BYTES), prefixes(words), spender)
    own = make_run(known, prefixes(parsed.txid))
    here = find([own], Table(parsed.txid, np.empty(0, np.int64), len(parsed.txid)), queries, table_first=known)
    before = Queries(parsed.raw, np.where(here >= 0, -1, at), queries.length, queries.key, spender)
    return np.maximum(here, find(tables.tx_runs, tables.txids, before))


def _addresses(tables: Tables, parsed: Parsed) -> _Scripts:
    """Number the scripts: those known as they are, the others in the order in which they first appear."""
    outputs = len(parsed.output_value)
    group, first = np.empty(outputs, np.int64), np.empty(outputs, np.int64)
    slots = np.full(1 << max(outputs * 2 - 1, 1).bit_length(), -1, np.int64)
    columns: tuple[Any, ...] = (parsed.raw, parsed.script_at, parsed.script_length, parsed.script_key)
    frozen_columns: tuple[Any, ...] = tuple(frozen(column) for column in columns)
    first = first[: _group(*(*frozen_columns, slots, group, first))]
    at, length, key = parsed.script_at[first], parsed.script_length[first], parsed.script_key[first]
    known = tables.columns.addresses
    number = find(tables.script_runs, tables.scripts, Queries(parsed.raw, at, length, key, np.full(len(at), known)))
    new = number == NOT_FOUND
    number[new] = known + np.arange(np.count_nonzero(new))
    return _Scripts(number[group], at[new], length[new], key[new])


@compiled
def _group(
    raw: Bytes,
    at: Numbers,
    length: Numbers,
    key: npt.NDArray[np.uint64],
    slots: Numbers,
    group: Numbers,
    first: Numbers,
) -> int:
    """Give equal scripts one number, in the order of their first output, which goes to ``first``.

    How many there are.
    """
    groups = 0
    mask = np.uint64(len(slots) - 1)
    for output in range(len(at)):
        slot = np.int64(key[output] & mask)
        while True:
            other = slots[slot]
            if other < 0:
                slots[slot] = output
                group[output] = groups
                first[groups] = output
                groups += 1
                break
            if key[other] == key[output] and length[other] == length[output]:
                same = 0
                while same < length[output] and raw[at[other] + same] == raw[at[output] + same]:
                    same += 1
                if same == length[output]:
                    group[output] = group[other]
                    break
            slot = (slot + 1) & np.int64(len(slots) - 1)
    return groups
