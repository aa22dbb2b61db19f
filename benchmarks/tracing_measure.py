"""Everything that is measured of one made-up chain, in a process of its own so that its memory can be told.

`python -m benchmarks.tracing_measure TXS FOLDER [beside] [index] [parquet]` prints facts as JSON: seconds, counts and
bytes by name. With `beside`, the same questions are asked of plain Python, DuckDB and graphsense-clustering, and
answers are compared. One thread; machine code is made before the clock runs; the clock is the processor's (see
`tracing_asking.best`), and the best of three rounds counts, but for what takes the others many seconds.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Final

import gs_clustering
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks import tracing_dicts, tracing_duckdb
from benchmarks.tracing_asking import (
    Facts,
    Numbers,
    Peak,
    amounts_of,
    best,
    flags_of,
    marks_of,
    question_of,
    seeds_of,
)
from benchmarks.tracing_chain import FULL_BLOCK, Made, make
from benchmarks.tracing_index import build_facts, exposure_facts, extract_facts, lookup_facts
from strongroom_tracing.clusters.model import Clusters
from strongroom_tracing.clusters.service import cluster
from strongroom_tracing.columns import COINBASE, Columns
from strongroom_tracing.taint.dense import haircut_all, poison_all
from strongroom_tracing.taint.model import Policy
from strongroom_tracing.taint.service import trace

PART: Final = 1_000_000  # chain txs that plain Python gets: the first ones of the same chain
HOPS: Final = 10
SMALL: Final = (10_000, 50)  # chain txs, and in a full block: what machine code is made with


def own(made: Made) -> Facts:
    """Measure ourselves."""
    columns = made.columns
    marks = marks_of(columns)
    seeds = seeds_of(columns)
    amounts, flags = amounts_of(columns, marks), flags_of(columns, marks)
    with Peak() as haircut_peak:
        haircut_all(columns, amounts)
    haircut_s, _ = best(lambda: haircut_all(columns, amounts))
    poison_s, _ = best(lambda: poison_all(columns, flags))
    few_s, _ = best(lambda: poison_all(columns, flags_of(columns, np.array(seeds))))
    with Peak() as cluster_peak:
        cluster(columns)
    cluster_s, clusters = best(lambda: cluster(columns))
    fifo_s, answer = best(lambda: trace(columns, question_of(Policy.FIFO, seeds)))
    assert clusters_are_owners(made, clusters)
    return {
        "txs": columns.txs,
        "outputs": columns.outputs,
        "inputs": len(columns.input_spent),
        "addresses": columns.addresses,
        "column_bytes": sum(a.nbytes for n in columns.__slots__ if isinstance(a := getattr(columns, n), np.ndarray)),
        "haircut_s": haircut_s,
        "haircut_bytes": haircut_peak.bytes,
        "poison_s": max(poison_s, few_s),  # nearly all tainted, or hardly anything: whichever is slower
        "cluster_s": cluster_s,
        "cluster_bytes": cluster_peak.bytes,
        "fifo_s": fifo_s,
        "fifo_txs": answer.visited_txs,
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def clusters_are_owners(made: Made, clusters: Clusters) -> bool:
    """Whether no cluster has addresses of two owners."""
    return bool(np.array_equal(made.owner[clusters.cluster], made.owner))


def beside(made: Made, part: int = PART) -> Facts:
    """Measure the others, and compare what they answer with ours."""
    return {**_dicts(made, min(part, made.columns.txs)), **_duckdb(made.columns), **_graphsense(made.columns)}


def _dicts(made: Made, part: int) -> Facts:
    columns = made.columns
    chain = tracing_dicts.chain_of(columns, part)
    outputs = int(columns.tx_first_output[part])
    marks, seeds = marks_of(columns), seeds_of(columns)
    here = marks[marks < outputs].tolist()
    amounts, flags = amounts_of(columns, marks), flags_of(columns, marks)
    haircut_s, haircut = best(lambda: tracing_dicts.haircut(chain, {o: int(amounts[o]) for o in here}), 1)
    poison_s, poison = best(lambda: tracing_dicts.poison(chain, here), 1)
    fifo_s, fifo = best(lambda: tracing_dicts.fifo(columns, seeds))
    clusters = cluster(columns)
    skipped = frozenset(np.flatnonzero(clusters.mixing).tolist())
    cluster_s, _ = best(lambda: tracing_dicts.clusters(chain, skipped), 1)
    held = {row.output: row.value for row in trace(columns, question_of(Policy.FIFO, seeds)).held}
    assert np.array_equal(haircut_all(columns, amounts)[:outputs], _spread(haircut, outputs))
    assert np.array_equal(np.flatnonzero(poison_all(columns, flags)[:outputs]), sorted(poison))
    assert held == {output: value for output, value in fifo.items() if value}
    facts = {"haircut_s": haircut_s, "poison_s": poison_s, "fifo_s": fifo_s, "cluster_s": cluster_s}
    return {"part": part, "longest_path": tracing_dicts.longest_path(chain), **_named("dicts", facts)}


def _duckdb(columns: Columns) -> Facts:
    marks, seeds = marks_of(columns), seeds_of(columns)
    amounts = haircut_all(columns, amounts_of(columns, marks))
    connection = tracing_duckdb.connect(columns)
    step_s, step = best(lambda: tracing_duckdb.haircut_step(connection, amounts), 1)
    hops_s, hops = best(lambda: tracing_duckdb.poison_hops(connection, seeds, HOPS), 1)
    connection.close()
    question = question_of(Policy.POISON, seeds, HOPS)
    own_s, answer = best(lambda: trace(columns, question))
    rounding = np.delete(amounts - step, marks)  # what is marked stands still, all else is what the step makes of it
    assert rounding.min() >= 0
    assert rounding.max() <= 1
    reached = {row.output for row in answer.held} | {row.output for row in answer.left}
    assert reached <= set(hops.tolist())
    return {
        "hops_s": own_s,
        "hops_outputs": len(hops),
        **_named("duckdb", {"haircut_step_s": step_s, "hops_s": hops_s}),
    }


def _graphsense(columns: Columns) -> Facts:
    """The bare union-find of graphsense-clustering: inputs looked up and CoinJoins left out beforehand, not counted."""
    clusters = cluster(columns)
    spent = columns.input_spent
    kept = (spent != COINBASE) & np.repeat(clusters.mixing == 0, np.diff(columns.tx_first_input))
    ends = np.concatenate((np.zeros(1, np.int64), np.cumsum(kept)))[columns.tx_first_input]
    addresses = columns.output_address[spent[kept]].astype(np.uint32) + 1  # 0 means nobody there
    lists = pa.ListArray.from_arrays(pa.array(ends.astype(np.int32)), pa.array(addresses))

    def work() -> npt.NDArray[np.uint32]:
        theirs = gs_clustering.Clustering(columns.addresses)
        theirs.process_transactions_arrow(lists)
        found: npt.NDArray[np.uint32] = theirs.get_mapping().column("cluster_id").to_numpy()
        return found

    seconds, found = best(work)
    assert np.array_equal(found[1:].astype(np.int64) - 1, clusters.cluster)
    return {"graphsense_cluster_s": seconds}


def _spread(taint: dict[int, int], outputs: int) -> Numbers:
    amounts = np.zeros(outputs, np.int64)
    amounts[list(taint)] = list(taint.values())
    return amounts


def _named(whose: str, facts: Facts) -> Facts:
    return {f"{whose}_{name}": value for name, value in facts.items()}


def main(txs: int, folder: Path, *what: str) -> None:
    """Print the facts of a chain."""
    measure(*SMALL, folder / "small", *what)  # machine code is made here
    print(json.dumps(measure(txs, FULL_BLOCK, folder / "chain", *what)))


def measure(txs: int, full_block: int, folder: Path, *what: str) -> Facts:
    """Make a chain in a folder and measure: ourselves, and on demand the others, the index, and Parquet."""
    folder.mkdir()
    making_s, made = best(lambda: make(txs, full_block=full_block, folder=folder), 1)
    facts = {"making_s": making_s, **own(made)}
    if "beside" in what:
        facts |= beside(made)
    columns = made.columns
    if "index" in what:
        facts |= lookup_facts(columns) | exposure_facts(columns, cluster(columns)) | build_facts(columns, folder)
    if "parquet" in what:
        facts |= extract_facts(columns, folder)
    return facts


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
