"""A case's part of a chain, cut out of canonical Parquet files by SQL; the result is canonical Parquet again.

What decision 0110 says of engines for chains larger than a machine, done here by DuckDB: chain txs within so many hops
of the marked outputs are found by semi-joins, numbered anew in the same order, and what they spend of others becomes
"from before the index" with its value. An index built of it answers as the whole one does, base unit by base unit (fees
absorbed).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.tracing_parquet import describe
from strongroom_tracing.index.parquet import SCHEMAS, partition_path

WHOLE: Final = 10**9  # heights: all in one partition

BEGIN: Final = (
    "CREATE OR REPLACE TABLE reached AS SELECT DISTINCT tx FROM outputs JOIN marked USING (output)",
    "CREATE OR REPLACE TABLE last AS SELECT DISTINCT inputs.tx FROM inputs JOIN marked ON inputs.spent = marked.output",
)
HOP: Final = (
    "INSERT INTO reached SELECT tx FROM last",
    """
    CREATE OR REPLACE TABLE last AS
    SELECT DISTINCT inputs.tx
    FROM last JOIN outputs USING (tx) JOIN inputs ON inputs.spent = outputs.output
    WHERE outputs.block <= getvariable('height')
        AND NOT EXISTS (SELECT 1 FROM stops WHERE stops.address = outputs.address)
        AND NOT EXISTS (SELECT 1 FROM reached WHERE reached.tx = inputs.tx)
    """,
)
NUMBER: Final = (
    """
    CREATE OR REPLACE TABLE kept AS
    SELECT tx, row_number() OVER (ORDER BY tx) - 1 AS number
    FROM (SELECT tx FROM reached UNION SELECT tx FROM last)
    """,
    """
    CREATE OR REPLACE TABLE kept_output AS
    SELECT outputs.output, row_number() OVER (ORDER BY outputs.output) - 1 AS number, outputs.address
    FROM outputs JOIN kept USING (tx)
    """,
    """
    CREATE OR REPLACE TABLE kept_address AS
    SELECT address, row_number() OVER (ORDER BY min(number)) - 1 AS number FROM kept_output GROUP BY address
    """,
)
TABLES: Final = {
    "blocks": """
        SELECT blocks.block, any_value(blocks.hash) AS hash, any_value(blocks.time) AS time, count(kept.tx) AS txs
        FROM blocks LEFT JOIN (SELECT block, tx FROM txs JOIN kept USING (tx)) AS kept USING (block)
        GROUP BY blocks.block ORDER BY blocks.block
    """,
    "txs": """
        SELECT txs.block, kept.number AS tx, txs.txid, txs.inputs, txs.outputs
        FROM txs JOIN kept USING (tx) ORDER BY kept.number
    """,
    "inputs": """
        SELECT inputs.block, kept.number AS tx, inputs.vin, inputs.value, CASE
            WHEN inputs.spent = -1 THEN -1
            WHEN kept_output.number IS NOT NULL THEN kept_output.number
            ELSE -1 - row_number() OVER (
                PARTITION BY inputs.spent <> -1 AND kept_output.number IS NULL ORDER BY inputs.tx, inputs.vin
            ) END AS spent
        FROM inputs JOIN kept USING (tx) LEFT JOIN kept_output ON kept_output.output = inputs.spent
        ORDER BY kept.number, inputs.vin
    """,
    "outputs": """
        SELECT outputs.block, kept.number AS tx, outputs.vout, kept_output.number AS output, outputs.value,
            kept_address.number AS address, outputs.script
        FROM outputs JOIN kept USING (tx) JOIN kept_output USING (output)
            JOIN kept_address ON kept_address.address = outputs.address
        ORDER BY kept_output.number
    """,
}


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be cut out: what lies within so many hops of the marked outputs, up to services and to a height."""

    marked: Sequence[int]
    hops: int
    stops: Sequence[int] = ()  # addresses
    height: int = 2**62


def extract(connection: duckdb.DuckDBPyConnection, case: Case, root: Path, chain: str) -> int:
    """Write a case's chain txs, and those that spend the last of it, as Parquet; how many."""
    connection.register("marked", pa.table({"output": pa.array(case.marked, pa.int64())}))
    connection.register("stops", pa.table({"address": pa.array(case.stops, pa.int64())}))
    connection.execute(f"SET VARIABLE height = {case.height}")
    for query in (*BEGIN, *HOP * case.hops, *NUMBER):
        connection.execute(query)
    for table, query in TABLES.items():
        path = partition_path(root, table, 0)
        path.parent.mkdir(parents=True)
        rows = connection.sql(query).to_arrow_table()
        schema = SCHEMAS[table]
        pq.write_table(rows.select(schema.names).cast(schema), path, row_group_size=2**40)
    first_height, txs = connection.execute("SELECT (SELECT min(block) FROM blocks), count(*) FROM kept").fetchall()[0]
    describe(root, chain, first_height, WHOLE)
    connection.unregister("marked")
    connection.unregister("stops")
    return int(txs)
