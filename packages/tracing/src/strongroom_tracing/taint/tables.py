"""An answer as Arrow tables: for export, for a notebook, for a report. The same answer gives the same tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import pyarrow as pa

from strongroom_tracing.columns import Columns
from strongroom_tracing.taint.answer import Answer
from strongroom_tracing.taint.model import Fees

AddressText = Callable[[int], str]

NEW_MONEY: Final = "new money"
COINBASE_MONEY: Final = "coinbase (subsidy and fees)"

_TYPES: Final = {
    "value": pa.int64(),
    "asked": pa.int64(),
    "again": pa.int64(),
    "height": pa.int64(),
    "inputs": pa.int64(),
}


def tables(columns: Columns, answer: Answer, address_text: AddressText | None = None) -> dict[str, pa.Table]:
    """Give an answer's rows, a table for each kind: places as text, heights, values in base units.

    Outputs are given as ``txid:vout`` with the height of their chain tx and, where ``address_text``
    (``Index.address_text``) knows them, their address. Moves name what they spend as an outpoint, ``fee of <txid>``,
    ``new money`` or ``before the index``; with absorbed fees an origin is the ``coinbase (subsidy and fees)``.
    """
    say = _Names(columns, address_text)
    made = COINBASE_MONEY if answer.question.fees is Fees.ABSORBED else NEW_MONEY
    return {
        "held": _table(say, answer.held, ("claim", "value")),
        "services": _table(say, answer.services, ("service", "claim", "value")),
        "left": _table(say, answer.left, ("claim", "value", "reason")),
        "contested": _table(say, answer.contested, ("claim", "value", "winner", "service")),
        "marked": _table(say, answer.marked, ("claim", "asked", "again")),
        "fees": _tx_table(say, answer.fees, ("claim", "value")),
        "origins": _tx_table(say, answer.origins, ("claim", "value"), made=made),
        "assumed": _tx_table(say, answer.assumed, ("value", "inputs")),
        "moves": _moves(say, answer),
    }


class _Names:
    """Numbers as people write them."""

    def __init__(self, columns: Columns, address_text: AddressText | None) -> None:
        self.columns = columns
        self.address_text = address_text or (lambda _: None)  # type: ignore[return-value]

    def source(self, code: int, made: str = NEW_MONEY) -> str:
        """Say what a move spends; ``made``: what to call money that no output is spent for."""
        if code >= self.columns.outputs:
            return f"fee of {self.columns.txid_text(code - self.columns.outputs)}"
        if code >= 0:
            return self.columns.outpoint_text(code)
        return made if code == -1 else "before the index"

    def output(self, outputs: Sequence[int]) -> dict[str, list[Any]]:
        """Give outpoint, height and address of outputs."""
        columns = self.columns
        return {
            "output": [columns.outpoint_text(output) for output in outputs],
            "height": [columns.height_of_tx(columns.tx_of_output(output)) for output in outputs],
            "address": [self.address_text(int(columns.output_address[output])) for output in outputs],
        }

    def tx(self, txs: Sequence[int]) -> dict[str, list[Any]]:
        """Give txid and height of chain txs."""
        return {
            "tx": [self.columns.txid_text(tx) for tx in txs],
            "height": [self.columns.height_of_tx(tx) for tx in txs],
        }


def _fields(rows: Iterable[Any], names: Sequence[str]) -> dict[str, list[Any]]:
    return {name: [getattr(row, name) for row in rows] for name in names}


def _arrow(values: dict[str, list[Any]]) -> pa.Table:
    return pa.table({name: pa.array(column, _TYPES.get(name, pa.string())) for name, column in values.items()})


def _table(say: _Names, rows: Sequence[Any], names: Sequence[str]) -> pa.Table:
    return _arrow(say.output([row.output for row in rows]) | _fields(rows, names))


def _tx_table(say: _Names, rows: Sequence[Any], names: Sequence[str], *, made: str | None = None) -> pa.Table:
    values = say.tx([row.tx for row in rows])
    if made is not None:
        values["spent"] = [say.source(row.spent, made) for row in rows]
    return _arrow(values | _fields(rows, names))


def _moves(say: _Names, answer: Answer) -> pa.Table:
    rows = answer.moves
    ends = {
        "source": [say.source(row.source) for row in rows],
        "sink": ["fee" if row.sink < 0 else say.columns.outpoint_text(row.sink) for row in rows],
    }
    return _arrow(say.tx([row.tx for row in rows]) | ends | _fields(rows, ("claim", "value")))
