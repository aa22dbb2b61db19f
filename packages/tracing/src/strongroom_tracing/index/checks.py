"""Whether what a source says can be: no output spent twice, no number that leads nowhere, no value or sum too large."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.columns import COINBASE, UNSPENT, Columns
from strongroom_tracing.index.errors import BadBlockError
from strongroom_tracing.index.reading import LARGEST_VALUE
from strongroom_tracing.index.tables import Piece, Tables, spenders

Numbers = npt.NDArray[np.int64]

_HALF: Final = 32  # bits
_LOWER: Final = 2**_HALF - 1
_ADVICE: Final = "its source is wrong: build the index anew from another"


def check_spending(output_spending: Numbers, outputs: int, spent: Numbers) -> None:
    """Refuse inputs of which one spends what is spent already. Raises ``BadBlockError``."""
    inside = np.sort(spent[spent >= 0])
    twice = inside[1:][inside[1:] == inside[:-1]]
    old = inside[: np.searchsorted(inside, outputs)]
    again = old[output_spending[old] != UNSPENT]
    if len(twice) or len(again):
        message = (
            f"output number {int((twice if len(twice) else again)[0])} is spent twice; the source of blocks is broken"
        )
        raise BadBlockError(message)


def check_fits(tables: Tables, piece: Piece) -> None:
    """Check that a piece whose numbers were made elsewhere goes on where tables end. Raises ``BadBlockError``.

    Compiled code trusts every number of an index: what gets past here is followed without another look.
    """
    columns = tables.columns
    counted = (
        (piece.block_first_tx, columns.txs, len(piece.txid)),
        (piece.tx_first_input, len(columns.input_spent), len(piece.input_spent)),
        (piece.tx_first_output, columns.outputs, len(piece.output_value)),
        (piece.script_at, len(tables.script_bytes), len(piece.script_bytes)),
    )
    after = f"after block {columns.first_height + columns.blocks - 1} of the index"
    if not all(_rises(*ends) for ends in counted) or not _pays_and_spends_what_is_there(columns, piece):
        message = f"the data does not go on {after}"
        raise BadBlockError(message)
    if not _possible_values(piece):
        message = f"the data {after} holds an impossible value"
        raise BadBlockError(message)
    check_spending(columns.output_spending, columns.outputs, spenders(piece, columns.txs)[1])
    check_values(columns, piece)


def check_values(columns: Columns, piece: Piece, *, said: Numbers | None = None) -> None:
    """Check that a chain tx pays and spends no more than ``LARGEST_VALUE`` in all, and a block leaves no more as fees.

    So no sum of values that is taken later can wrap. ``said`` is what undo data gives for each input, -1 where it gives
    nothing. Every single value is known to be within bounds. Raises ``BadBlockError``, which names the first place.
    """
    value = _spent_values(columns, piece)
    if said is not None:
        _check_said(columns, piece, value, said)
    paid = _sums(piece.output_value, piece.tx_first_output - columns.outputs)
    spent = _sums(value, piece.tx_first_input - len(columns.input_spent))
    for sums, does in ((paid, "pays"), (spent, "spends")):
        if sums.max(initial=0) > LARGEST_VALUE:
            what = f"{does} more than {LARGEST_VALUE} base units"
            _refuse(columns, piece, int(np.argmax(sums > LARGEST_VALUE)), what)
    fees = _sums(np.maximum(spent - paid, 0), piece.block_first_tx - columns.txs)
    if fees.max(initial=0) > LARGEST_VALUE:
        height = columns.first_height + columns.blocks + int(np.argmax(fees > LARGEST_VALUE))
        message = f"the chain txs at height {height} leave more than {LARGEST_VALUE} base units as fees; {_ADVICE}"
        raise BadBlockError(message)


def _check_said(columns: Columns, piece: Piece, value: Numbers, said: Numbers) -> None:
    other = np.flatnonzero((piece.input_spent >= 0) & (said >= 0) & (said != value))
    if len(other):
        tx = int(np.searchsorted(piece.tx_first_input - len(columns.input_spent), other[0], side="right"))
        worth = f"{int(said[other[0]])} base units for an output of {int(value[other[0]])}"
        _refuse(columns, piece, tx, f"spends, by the undo data, {worth}")


def _refuse(columns: Columns, piece: Piece, tx: int, what: str) -> None:
    block = int(np.searchsorted(piece.block_first_tx - columns.txs, tx, side="right"))
    height, txid = columns.first_height + columns.blocks + block, piece.txid[tx].tobytes()[::-1].hex()
    message = f"chain tx {txid} at height {height} {what}; {_ADVICE}"
    raise BadBlockError(message)


def _spent_values(columns: Columns, piece: Piece) -> Numbers:
    """Give the value of what each input spends, 0 for coinbases and where nobody knows it."""
    spent = piece.input_spent
    value = np.zeros(len(spent), np.int64)
    old, new, outside = (spent >= 0) & (spent < columns.outputs), spent >= columns.outputs, spent < COINBASE
    value[old] = columns.output_value[spent[old]]
    value[new] = piece.output_value[spent[new] - columns.outputs]
    value[outside] = np.maximum(piece.external_value, 0)
    return value


def _sums(value: Numbers, ends: Numbers) -> Numbers:
    """Sum up what lies before each end; a sum above ``LARGEST_VALUE`` may be given as another one above it.

    Sums of upper and of lower halves, neither of which can wrap, though the sum of the values can.
    """
    upper, lower = (
        np.diff(np.concatenate((np.zeros(1, np.int64), np.cumsum(half)))[ends], prepend=0)
        for half in (value >> _HALF, value & _LOWER)
    )
    upper = np.minimum(upper + (lower >> _HALF), (LARGEST_VALUE >> _HALF) + 1)
    sums: Numbers = (upper << _HALF) + (lower & _LOWER)
    return sums


def _rises(ends: Numbers, first: int, more: int) -> bool:
    """Whether ends go from ``first`` up to exactly ``more`` behind it; compared, not subtracted: sums may have wrapped.

    A count below 0 makes an end that is below the one before it.
    """
    whole = np.concatenate(([first], ends, [first + more]))
    return bool(np.all(whole[:-1] <= whole[1:])) and int(whole[-2]) == int(whole[-1])


def _pays_and_spends_what_is_there(columns: Columns, piece: Piece) -> bool:
    """Whether addresses are known or new ones, all used, and inputs spend outputs of chain txs before their own."""
    known, paid = columns.addresses, piece.output_address
    if paid.min(initial=0) < 0 or paid.max(initial=known - 1) + 1 != known + len(piece.script_at):
        return False
    tx, spent = spenders(piece, columns.txs)
    making = np.searchsorted(piece.tx_first_output, spent, side="right") + columns.txs  # of own outputs; else too low
    return not np.any(making[spent >= columns.outputs] >= tx[spent >= columns.outputs])


def _possible_values(piece: Piece) -> bool:
    """Whether values are within bounds, and those from before the index known or -1."""
    value, outside = piece.output_value, piece.external_value
    known = outside.min(initial=0) >= -1 and outside.max(initial=0) <= LARGEST_VALUE
    return bool(known and value.min(initial=0) >= 0 and value.max(initial=0) <= LARGEST_VALUE)
