"""The same questions asked of DuckDB on one thread: what a database can say of them in sets.

Set queries know no chain order, so that neither haircut nor FIFO over a whole chain is one query: haircut is measured
as one step (what all chain txs pass on, given what their inputs hold), of which a chain takes as many as its longest
path; poison as a recursive query over so many hops. Tables and columns are those of the canonical Parquet files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from strongroom_tracing.columns import Columns

STEP: Final = """
    WITH reached AS (
        SELECT inputs.tx, sum(taint.amount) AS amount
        FROM inputs JOIN taint ON taint.output = inputs.spent
        GROUP BY inputs.tx
    ), brought AS (
        SELECT tx, any_value(reached.amount) AS amount, sum(inputs.value) AS total
        FROM reached JOIN inputs USING (tx) GROUP BY tx
    ), passed AS (
        SELECT tx, sum(outputs.value) AS whole, any_value(amount) * whole // any_value(total) AS share
        FROM brought JOIN outputs USING (tx) GROUP BY tx
    )
    SELECT outputs.output, (outputs.value * share // whole)::BIGINT AS amount
    FROM passed JOIN outputs USING (tx)
"""
HOPS: Final = """
    WITH RECURSIVE reached (output, hop) AS (
        SELECT unnest($marked), 0
        UNION
        SELECT outputs.output, reached.hop + 1
        FROM reached JOIN inputs ON inputs.spent = reached.output JOIN outputs ON outputs.tx = inputs.tx
        WHERE reached.hop < $hops
    )
    SELECT DISTINCT output FROM reached ORDER BY output
"""


def connect(columns: Columns) -> duckdb.DuckDBPyConnection:
    """Load a chain into tables of DuckDB's own, in memory; one thread."""
    connection = _connection()
    txs = np.arange(columns.txs)
    spent = columns.input_spent
    inputs = {
        "tx": np.repeat(txs, np.diff(columns.tx_first_input)),
        "spent": spent,
        "value": np.where(spent >= 0, columns.output_value[spent], 0),
    }
    outputs = {
        "output": np.arange(columns.outputs),
        "tx": np.repeat(txs, np.diff(columns.tx_first_output)),
        "value": columns.output_value,
    }
    _load(connection, "inputs", inputs)
    _load(connection, "outputs", outputs)
    return connection


def connect_parquet(folder: Path) -> duckdb.DuckDBPyConnection:
    """Look at the canonical Parquet files of a folder as they lie; one thread."""
    connection = _connection()
    for table in ("blocks", "txs", "inputs", "outputs"):
        files = f"{folder}/{table}/*/*.parquet"
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{files}', hive_partitioning = true)")
    return connection


def haircut_step(connection: duckdb.DuckDBPyConnection, amounts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Do one step of haircut, rounded down: what every output gets, if before it `amounts` is what each holds."""
    held = np.flatnonzero(amounts)
    _load(connection, "taint", {"output": held, "amount": amounts[held]})
    answer = connection.execute(STEP).fetchnumpy()
    after = np.zeros(len(amounts), np.int64)
    after[answer["output"]] = answer["amount"]
    return after


def poison_hops(connection: duckdb.DuckDBPyConnection, marked: Sequence[int], hops: int) -> npt.NDArray[np.int64]:
    """Give all outputs within so many hops of the marked ones, in order."""
    answer = connection.execute(HOPS, {"marked": list(marked), "hops": hops}).fetchnumpy()
    found: npt.NDArray[np.int64] = np.asarray(answer["output"], np.int64)
    return found


def _connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


def _load(connection: duckdb.DuckDBPyConnection, name: str, arrays: dict[str, npt.NDArray[Any]]) -> None:
    connection.register("arrays", pa.table(arrays))
    connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM arrays")
    connection.unregister("arrays")
