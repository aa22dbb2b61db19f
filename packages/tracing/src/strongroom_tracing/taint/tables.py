"""An answer as Arrow tables: for export, for a notebook, for a report. The same answer gives the same tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa

from strongroom_tracing.columns import Columns
from strongroom_tracing.taint.answer import Answer
from strongroom_tracing.taint.model import Fees
from strongroom_tracing.taint.naming import NEW_MONEY, AddressText, Names, Numbers

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
    (``Index.address_text``) knows them, their address; fees that a limit left as ``fee of <txid>``. Moves name what
    they spend as an outpoint, ``fee of <txid>``, ``new money`` or ``before the index``; with absorbed fees an origin is
    the ``coinbase (subsidy and fees)``.
    """
    say = Names(columns, address_text)
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


def _fields(rows: Iterable[Any], names: Sequence[str]) -> dict[str, list[Any]]:
    return {name: [getattr(row, name) for row in rows] for name in names}


def _arrow(values: dict[str, Any]) -> pa.Table:
    return pa.table({name: pa.array(column, _TYPES.get(name, pa.string())) for name, column in values.items()})


def _table(say: Names, rows: Sequence[Any], names: Sequence[str]) -> pa.Table:
    outputs = [row.output for row in rows]
    values: dict[str, list[Any]] = {
        "output": say.places(outputs),
        "height": say.heights(say.txs_of(outputs)),
        "address": say.addresses(outputs),
    }
    return _arrow(values | _fields(rows, names))


def _tx_table(say: Names, rows: Sequence[Any], names: Sequence[str], *, made: str | None = None) -> pa.Table:
    values = _txs(say, [row.tx for row in rows])
    if made is not None:
        values["spent"] = say.sources([row.spent for row in rows], made)
    return _arrow(values | _fields(rows, names))


def _txs(say: Names, txs: Numbers) -> dict[str, Any]:
    return {"tx": say.txids(txs), "height": say.heights(txs)}


def _moves(say: Names, answer: Answer) -> pa.Table:
    txs, sources, sinks, claims, values = answer.move_columns()
    ends = {"source": say.sources(sources), "sink": say.sinks(sinks)}
    return _arrow(_txs(say, txs) | ends | {"claim": claims, "value": values})
