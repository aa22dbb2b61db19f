"""Tracing at scale: taint, clusters, exposure and the index on made-up chains of 1, 10 and 30 million chain txs.

Each chain is made and measured in a process of its own (`benchmarks.tracing_measure`), its columns mapped from files in
a temporary folder, one thread. The goals are the issue's; beside them stand plain Python, DuckDB and
graphsense-clustering, asked the same in the same run. Plain Python gets the first million chain txs only, where its
dicts are still small: in its favour. `python -m benchmarks.tracing` prints the rows; sizes may follow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks.tracing_asking import Facts

MAIN: Final = 10_000_000
SIZES: Final = (1_000_000, MAIN, 30_000_000)
ONE_THREAD: Final = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"), "1")
CHECKOUT: Final = Path(__file__).resolve().parents[1]
HAIRCUT, POISON, CLUSTERS = 6e6, 30e6, 4e6  # goals, chain txs in a second
FIFO_S, EXPOSURE_S = 0.5, 0.05
PATIENCE_S: Final = 3600
BESIDE: Final = ("beside", "index")
PARQUET: Final = ("parquet",)
Row = dict[str, Any]


def run(sizes: tuple[int, ...] = SIZES, main: int = MAIN) -> list[Row]:
    """Measure; rows of name, value, unit, baseline, ratio."""
    small = min(sizes)
    what = {txs: (*BESIDE * (txs == main), *PARQUET * (txs == small)) for txs in sizes}
    facts = {txs: measured(txs, what[txs]) for txs in sizes}
    rows = [*goals(facts[main]), *others(facts[main]), *index(facts[main]), *parquet(facts[small])]
    return rows + growth([facts[txs] for txs in sizes])


def measured(txs: int, what: tuple[str, ...]) -> Facts:
    """Measure a chain in a process and a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="strongroom-tracing-") as folder:
        command = [sys.executable, "-m", "benchmarks.tracing_measure", str(txs), folder, *what]
        environment = {**os.environ, **ONE_THREAD}
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, check=True, stdout=subprocess.PIPE, timeout=PATIENCE_S
        )
    facts: Facts = json.loads(done.stdout)
    return facts


def goals(facts: Facts) -> list[Row]:
    """Say how far we are above the goals."""
    txs = facts["txs"]
    size = _size(txs)
    return [
        row(f"haircut over {size} (baseline: the goal)", txs / facts["haircut_s"], "tx/s", HAIRCUT),
        row(f"poison over {size} (baseline: the goal)", txs / facts["poison_s"], "tx/s", POISON),
        row(
            f"FIFO of 5 outputs in {size}, {facts['fifo_txs']:,.0f} reached (baseline: the goal)",
            facts["fifo_s"],
            "s",
            FIFO_S,
        ),
        row(f"clustering of {size} (baseline: the goal)", txs / facts["cluster_s"], "tx/s", CLUSTERS),
        *(
            row(
                f"exposure in {size}, {facts['exposure_tags']:,.0f} tags, {words} {quantile} (baseline: the goal)",
                facts[f"{name}_{quantile}_s"] * 1000,
                "ms",
                EXPOSURE_S * 1000,
            )
            for name, words in (("exposure", "addresses alone,"), ("exposure_clusters", "with clusters,"))
            for quantile in ("p50", "p99")
        ),
    ]


def others(facts: Facts) -> list[Row]:
    """Hold ourselves against the others."""
    txs, part = facts["txs"], facts["part"]
    path = f"{facts['longest_path']:,.0f}"
    dicts = f"(baseline: Python dicts, first {_size(part)})"
    return [
        row(f"haircut {dicts}", txs / facts["haircut_s"], "tx/s", part / facts["dicts_haircut_s"]),
        row(f"poison {dicts}", txs / facts["poison_s"], "tx/s", part / facts["dicts_poison_s"]),
        row(f"clustering {dicts}", txs / facts["cluster_s"], "tx/s", part / facts["dicts_cluster_s"]),
        row("FIFO of 5 outputs (baseline: Python dicts)", facts["fifo_s"], "s", facts["dicts_fifo_s"]),
        row(
            f"haircut, whole (baseline: one DuckDB step, of which the first {_size(part)} alone take {path})",
            facts["haircut_s"],
            "s",
            facts["duckdb_haircut_step_s"],
        ),
        row(
            f"poison of 5 outputs over 10 hops, {facts['hops_outputs']:,.0f} found (baseline: DuckDB, recursive query)",
            facts["hops_s"],
            "s",
            facts["duckdb_hops_s"],
        ),
        row(
            "clustering, CoinJoins looked for, reasons kept (baseline: graphsense-clustering, bare union-find)",
            txs / facts["cluster_s"],
            "tx/s",
            txs / facts["graphsense_cluster_s"],
        ),
    ]


def index(facts: Facts) -> list[Row]:
    """Say what the index does."""
    built = facts["build_txs"]
    return [
        row(
            f"index from raw blocks, {_size(built)}, Parquet included, by the wall",
            built / facts["build_s"],
            "tx/s",
            None,
        ),
        row("the same in processor time", built / facts["build_cpu_s"], "tx/s", None),
        row(
            "blocks parsed and hashed (baseline: hashing alone)",
            built / facts["parse_s"],
            "tx/s",
            built / facts["hash_s"],
        ),
        row(
            "txids found by text, one a call (baseline: Python dict of 100,000)",
            1 / facts["lookup_s"],
            "1/s",
            1 / facts["dict_lookup_s"],
        ),
        row("txids found, many at once", 1 / facts["lookup_many_s"], "1/s", 1 / facts["dict_lookup_s"]),
        row(
            "memory of txid look-up (baseline: Python dict)", facts["lookup_bytes"], "B/tx", facts["dict_lookup_bytes"]
        ),
    ]


def parquet(facts: Facts) -> list[Row]:
    """Say what the exchange with engines for more than a machine costs."""
    size = _size(facts["txs"])
    return [
        row(f"canonical Parquet written, {size}", facts["txs"] / facts["parquet_write_s"], "tx/s", None),
        row(
            "canonical Parquet (baseline: columns)",
            facts["parquet_bytes"],
            "B/tx",
            facts["column_bytes"] / facts["txs"],
        ),
        row(f"a case of {facts['extract_txs']:,.0f} cut out of {size} by SQL, 8 hops", facts["extract_s"], "s", None),
    ]


def growth(all_facts: list[Facts]) -> list[Row]:
    """Say what each size costs for one chain tx; the baseline is the smallest chain."""
    rows: list[Row] = []
    for name in _WORDS:
        each = [1e9 * facts[f"{name}_s"] / facts["txs"] for facts in all_facts]
        sizes = [_size(facts["txs"]) for facts in all_facts]
        rows += [
            row(f"{_WORDS[name]}, {size}", value, "ns/tx", each[0]) for size, value in zip(sizes, each, strict=True)
        ]
    for facts in all_facts:
        rows.append(row(f"columns, {_size(facts['txs'])}", facts["column_bytes"] / facts["txs"], "B/tx", None))
        name = f"peak of resident memory, columns and their making included, {_size(facts['txs'])}"
        rows.append(row(name, facts["peak_bytes"] / facts["txs"], "B/tx", None))
        for name in ("haircut", "cluster"):
            value = facts[f"{name}_bytes"] / facts["txs"]
            rows.append(row(f"memory of {_WORDS[name]} beside columns, {_size(facts['txs'])}", value, "B/tx", None))
        rows.append(
            row(
                f"FIFO of 5 outputs, {_size(facts['txs'])}, {facts['fifo_txs']:,.0f} reached",
                facts["fifo_s"],
                "s",
                FIFO_S,
            )
        )
    return rows


_WORDS: Final = {"haircut": "haircut", "poison": "poison", "cluster": "clustering", "making": "making the chain"}


def _size(txs: float) -> str:
    return f"{txs / 1e6:g}M chain txs" if txs >= 1e6 else f"{txs:,.0f} chain txs"


def row(name: str, value: float, unit: str, baseline: float | None) -> Row:
    """Make a row of the results."""
    ratio = None if baseline is None else round(value / baseline, 3)
    shown = None if baseline is None else _rounded(baseline)
    return {"name": name, "value": _rounded(value), "unit": unit, "baseline": shown, "ratio": ratio}


def _rounded(value: float) -> float:
    return round(value, 1 if value >= 100 else 4)


def main() -> None:
    """Print the rows."""
    sizes = tuple(int(size) for size in sys.argv[1:]) or SIZES
    for each in run(sizes, MAIN if MAIN in sizes else sizes[-1]):
        print(json.dumps(each))


if __name__ == "__main__":
    main()
