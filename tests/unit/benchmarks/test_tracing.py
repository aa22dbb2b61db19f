"""The made-up chains of the tracing benchmark, and all of its measurements, on a chain of 10,000 chain txs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import tracing, tracing_dicts, tracing_duckdb
from benchmarks.tracing_asking import Numbers
from benchmarks.tracing_blocks import raw_blocks
from benchmarks.tracing_chain import Made, make
from benchmarks.tracing_growth import MATURITY, SUBSIDY
from benchmarks.tracing_measure import SMALL, measure
from strongroom_tracing.clusters.service import cluster
from strongroom_tracing.columns import COINBASE, UNSPENT, Columns
from strongroom_tracing.index.service import in_memory

COLUMNS = [name for name in Columns.__slots__ if name not in {"chain", "first_height", "addresses"}]

COMPILING = pytest.mark.timeout(400)  # on a fresh machine all machine code of the package is made here


@pytest.fixture(scope="module")
def made() -> Made:
    return make(SMALL[0], full_block=SMALL[1])


def makers(columns: Columns) -> Numbers:
    return np.repeat(np.arange(columns.txs), np.diff(columns.tx_first_output))


def spenders(columns: Columns) -> Numbers:
    return np.repeat(np.arange(columns.txs), np.diff(columns.tx_first_input))


def test_the_same_chain_is_made_again_in_memory_and_in_files(made: Made, tmp_path: Path):
    again = make(SMALL[0], full_block=SMALL[1], folder=tmp_path)
    for name in COLUMNS:
        assert np.array_equal(getattr(made.columns, name), getattr(again.columns, name)), name
    assert len(list(tmp_path.iterdir())) == 7
    other = make(SMALL[0], full_block=SMALL[1], seed=2)
    assert not np.array_equal(made.columns.output_value[:1000], other.columns.output_value[:1000])


def test_every_output_is_spent_at_most_once_and_later(made: Made):
    columns = made.columns
    inside = columns.input_spent >= 0
    spent, tx = columns.input_spent[inside], spenders(columns)[inside]
    assert len(np.unique(spent)) == len(spent)
    assert np.array_equal(columns.output_spending[spent], tx)
    assert np.count_nonzero(columns.output_spending != UNSPENT) == len(spent)
    assert np.all(makers(columns)[spent] < tx)


def test_no_chain_tx_makes_money_but_the_coinbases_and_these_take_the_fees(made: Made):
    columns = made.columns
    inside = columns.input_spent >= 0
    brought = np.zeros(columns.txs, np.int64)
    np.add.at(brought, spenders(columns)[inside], columns.output_value[columns.input_spent[inside]])
    paid = np.add.reduceat(columns.output_value, columns.tx_first_output[:-1])
    fees = brought - paid
    coinbases = columns.block_first_tx[:-1]
    assert np.all(columns.input_spent[columns.tx_first_input[coinbases]] == COINBASE)
    fees[coinbases] = 0
    assert fees.min() >= 0
    assert np.array_equal(paid[coinbases], SUBSIDY + np.add.reduceat(fees, coinbases))
    assert columns.output_value.min() > 0


def test_coinbases_rest(made: Made):
    columns = made.columns
    coinbases = columns.tx_first_output[columns.block_first_tx[:-1]]
    spent = coinbases[columns.output_spending[coinbases] != UNSPENT]
    waited = [
        columns.block_of_tx(int(columns.output_spending[o])) - columns.block_of_tx(columns.tx_of_output(int(o)))
        for o in spent
    ]
    assert min(waited) >= MATURITY


def test_fan_out_ages_and_reuse_fall_off_slowly(made: Made):
    columns = made.columns
    outputs = np.diff(columns.tx_first_output)
    assert 2 <= outputs.mean() <= 3
    assert outputs.max() > 100
    inside = columns.input_spent >= 0
    ages = spenders(columns)[inside] - makers(columns)[columns.input_spent[inside]]
    low, middle, high = np.quantile(ages, (0.1, 0.5, 0.99))
    assert low < 10
    assert 10 < middle < 200
    assert high > 2_000
    paid = np.bincount(columns.output_address)
    assert np.median(paid) == 1
    assert paid.max() > 100


def test_only_coinjoins_have_inputs_of_several_owners(made: Made):
    columns = made.columns
    inside = columns.input_spent >= 0
    owner = made.owner[columns.output_address[columns.input_spent[inside]]]
    tx = spenders(columns)[inside]
    several = np.unique(tx[1:][(tx[1:] == tx[:-1]) & (owner[1:] != owner[:-1])])
    assert len(several) > 0
    assert several.tolist() == made.joins.tolist()
    found = cluster(columns)
    assert np.all(found.mixing[made.joins] != 0)
    assert np.array_equal(made.owner[found.cluster], made.owner)


def test_the_chain_as_raw_blocks_gives_the_same_columns(made: Made):
    blocks = raw_blocks(made.columns, made.columns.blocks)
    index = in_memory(blocks, made.columns.chain)
    for name in COLUMNS:
        if name not in {"txid", "block_hash"}:
            assert np.array_equal(getattr(index.columns, name), getattr(made.columns, name)), name
    assert index.columns.addresses == made.columns.addresses


def test_plain_python_and_duckdb_say_the_same_of_poison(made: Made):
    columns = made.columns
    late = int(columns.tx_first_output[columns.txs - columns.txs // 20])
    marked = list(range(late, late + 20))
    everything = tracing_dicts.poison(tracing_dicts.chain_of(columns, columns.txs), marked)
    connection = tracing_duckdb.connect(columns)
    hops = tracing_duckdb.poison_hops(connection, marked, columns.txs)
    connection.close()
    assert sorted(everything) == hops.tolist()
    assert len(hops) > 50


@COMPILING
def test_everything_is_measured_and_all_agree(tmp_path: Path):
    facts = measure(*SMALL, tmp_path / "chain", "beside", "index", "parquet")
    assert all(value >= 0 for value in facts.values())
    assert facts["longest_path"] > 100
    assert facts["extract_txs"] > 100
    assert facts["exposure_touched"] > 0
    rows = [*tracing.goals(facts), *tracing.others(facts), *tracing.index(facts), *tracing.parquet(facts)]
    rows += tracing.growth([facts, facts])
    assert {tuple(row) for row in rows} == {("name", "value", "unit", "baseline", "ratio")}
    assert len({row["name"] for row in rows}) > 20
    json.dumps(rows, allow_nan=False)


@COMPILING
def test_a_chain_is_measured_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tracing.tempfile, "tempdir", None)
    facts = tracing.measured(2_000, ())
    assert facts["txs"] == 2_000
    assert not list(tmp_path.iterdir())
