"""What decision 0110 promises: a case cut out of a chain by SQL is answered as the whole chain is, by every policy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest

from benchmarks.tracing_chain import make
from benchmarks.tracing_duckdb import connect_parquet
from benchmarks.tracing_extract import Case, extract
from benchmarks.tracing_measure import SMALL
from benchmarks.tracing_parquet import scripts_of, write
from strongroom_tracing.columns import Columns
from strongroom_tracing.index.addresses import address_of, network_of
from strongroom_tracing.index.builder import build
from strongroom_tracing.index.service import Index
from strongroom_tracing.index.sources.parquet import ParquetSource
from strongroom_tracing.taint.answer import Answer
from strongroom_tracing.taint.model import Direction, Fees, Limits, Mark, Policy, Question
from strongroom_tracing.taint.service import trace

HOPS = 6
Rows = dict[str, list[tuple[str, str, int, str]]]


@pytest.fixture(scope="module")
def columns() -> Columns:
    return make(SMALL[0], full_block=SMALL[1]).columns


@pytest.fixture(scope="module")
def tables(columns: Columns, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = connect_parquet(write(columns, tmp_path_factory.mktemp("whole")))
    yield connection
    connection.close()


def marked(columns: Columns) -> list[int]:
    spent = np.flatnonzero((columns.output_spending >= 0) & (columns.output_value > 10**8))
    return [int(output) for output in spent[:: len(spent) // 6]]


def stops(columns: Columns) -> list[int]:
    """The addresses that are paid most often."""
    return [int(address) for address in np.argsort(np.bincount(columns.output_address))[-5:]]


def cut(columns: Columns, tables: duckdb.DuckDBPyConnection, case: Case, folder: Path) -> Index:
    extract(tables, case, folder / "parquet", columns.chain)
    build(folder / "index", ParquetSource(folder / "parquet"))
    return Index.open(folder / "index")


def asked(policy: Policy, outputs: list[int], services: list[int], limits: Limits) -> Question:
    marks = tuple(Mark(f"theft {place % 2}", output) for place, output in enumerate(outputs))
    return Question(policy, Fees.ABSORBED, Direction.FORWARD, marks, dict.fromkeys(services, "exchange"), limits)


def rows(columns: Columns, answer: Answer) -> Rows:
    where = columns.outpoint_text
    return {
        "held": [(where(row.output), row.claim, row.value, "") for row in answer.held],
        "services": [(where(row.output), row.claim, row.value, row.service) for row in answer.services],
        "left": [(where(row.output), row.claim, row.value, row.reason) for row in answer.left],
        "fees": [(columns.txid_text(row.tx), row.claim, row.value, "") for row in answer.fees],
        "contested": [(where(row.output), row.claim, row.value, row.winner) for row in answer.contested],
    }


@pytest.mark.timeout(400)  # on a fresh machine the machine code of taint is made here
@pytest.mark.parametrize("policy", Policy)
def test_a_case_cut_out_is_answered_as_on_the_whole_chain(
    policy: Policy, columns: Columns, tables: duckdb.DuckDBPyConnection, tmp_path: Path
):
    outputs, services = marked(columns), stops(columns)
    height = columns.blocks * 9 // 10
    with cut(columns, tables, Case(outputs, HOPS, services, height), tmp_path) as case:
        assert 100 < case.columns.txs < columns.txs // 2
        here = [case.find_output(columns.outpoint_text(output)) for output in outputs]
        scripts, network = scripts_of(columns.addresses), network_of(columns.chain)
        texts = [address_of(scripts[number].tobytes(), network) for number in services]
        found = list(case.addresses_of(texts).values())
        limits = Limits(hops=HOPS, height=height)
        part = rows(case.columns, trace(case.columns, asked(policy, here, found, limits)))
    whole = rows(columns, trace(columns, asked(policy, outputs, services, limits)))
    assert part == whole
    assert all(whole[kind] for kind in ("held", "services", "left"))


def test_a_case_ends_where_its_hops_do(columns: Columns, tables: duckdb.DuckDBPyConnection, tmp_path: Path):
    output = marked(columns)[0]
    maker, spender = columns.tx_of_output(output), int(columns.output_spending[output])
    with cut(columns, tables, Case([output], 0), tmp_path) as case:
        txids = [case.columns.txid_text(tx) for tx in range(case.columns.txs)]
        assert txids == [columns.txid_text(maker), columns.txid_text(spender)]
        assert case.columns.external_value.tolist() == [
            int(columns.output_value[spent])
            for tx in (maker, spender)
            for spent in columns.input_spent[columns.tx_first_input[tx] : columns.tx_first_input[tx + 1]].tolist()
            if spent >= 0 and columns.tx_of_output(spent) != maker
        ]
