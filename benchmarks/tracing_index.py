"""What is measured of the index.

Building it from raw blocks, and finding chain txs and the exposure of outputs in a large one.
"""

from __future__ import annotations

import time
import tracemalloc
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks import tracing_parquet
from benchmarks.tracing_asking import Facts, best, question_of, seeds_of
from benchmarks.tracing_blocks import Blocks, raw_blocks
from benchmarks.tracing_duckdb import connect_parquet
from benchmarks.tracing_extract import Case, extract
from strongroom_tracing.clusters.model import Clusters
from strongroom_tracing.columns import Columns
from strongroom_tracing.exposure.service import exposure
from strongroom_tracing.exposure.suspects import Suspects, suspects
from strongroom_tracing.index.builder import build
from strongroom_tracing.index.parsing import parse
from strongroom_tracing.index.runs import Queries, find, make_run, prefixes
from strongroom_tracing.index.service import Index
from strongroom_tracing.index.sources.parquet import ParquetSource
from strongroom_tracing.index.tables import Tables, status_of
from strongroom_tracing.taint.answer import Answer
from strongroom_tracing.taint.model import Policy
from strongroom_tracing.taint.service import trace

TAGS: Final = 100_000
ASKED: Final = 1_000  # outputs, of the chain's last tenth
LOOKED_UP: Final = 20_000  # txids, one after another
MANY_LOOKED_UP: Final = 200_000  # at once
BUILT: Final = 300_000  # chain txs that the index is built from as raw blocks
EXTRACT_HOPS: Final = 8


def lookup_facts(columns: Columns) -> Facts:
    """Look txids up by their text one after another, and many at once as the builder does; and in a dict of Python."""
    run_s, run = best(lambda: make_run(0, prefixes(columns.txid)), 1)
    tables = Tables(columns, np.zeros(1, np.int64), np.empty(0, np.uint8), (run,), ())
    index = Index(tables, status_of(columns))
    chance = np.random.Generator(np.random.PCG64(2))
    asked = chance.integers(0, columns.txs, LOOKED_UP).tolist()
    texts = [columns.txid_text(tx) for tx in asked]
    seconds, found = best(lambda: [index.find_tx(text) for text in texts])
    assert found == asked
    many = chance.integers(0, columns.txs, MANY_LOOKED_UP)
    keys = np.ascontiguousarray(columns.txid[many])
    places, limit = 32 * np.arange(MANY_LOOKED_UP), np.full(MANY_LOOKED_UP, columns.txs)
    queries = Queries(keys.reshape(-1), places, np.full(MANY_LOOKED_UP, 32), prefixes(keys), limit)
    many_s, numbers = best(lambda: find((run,), tables.txids, queries))
    assert np.array_equal(numbers, many)
    part = min(columns.txs, 100_000)
    tracemalloc.start()
    plain = {columns.txid[tx].tobytes(): tx for tx in range(part)}
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    known = [(text, tx) for text, tx in zip(texts, asked, strict=True) if tx < part]
    dict_s, same = best(lambda: [plain[bytes.fromhex(text)[::-1]] for text, _ in known])
    assert same == [tx for _, tx in known]
    return {
        "lookup_s": seconds / LOOKED_UP,
        "lookup_many_s": many_s / MANY_LOOKED_UP,
        "lookup_bytes": (run.key.nbytes + run.offset.nbytes) / columns.txs,
        "lookup_run_s": run_s,
        "dict_lookup_s": dict_s / max(len(known), 1),
        "dict_lookup_bytes": held / part,
    }


def exposure_facts(columns: Columns, clusters: Clusters) -> Facts:
    """Ask for the exposure of recent outputs to tagged addresses, alone and with their clusters."""
    chance = np.random.Generator(np.random.PCG64(3))
    tags = {
        int(a): ("service",)
        for a in chance.choice(columns.addresses, min(TAGS, columns.addresses // 50), replace=False)
    }
    recent = chance.integers(
        int(columns.tx_first_output[columns.txs - columns.txs // 10]), columns.outputs, ASKED
    ).tolist()
    alone_s, alone = best(lambda: suspects(tags), 1)
    with_clusters = suspects(tags, clusters=clusters)
    facts = {"exposure_tags": len(tags), "exposure_ready_s": alone_s}
    return {
        **facts,
        **_exposures("exposure", columns, alone, recent),
        **_exposures("exposure_clusters", columns, with_clusters, recent),
    }


def _exposures(name: str, columns: Columns, known: Suspects, outputs: list[int]) -> Facts:
    seconds, visited, touched = [], [], 0
    for output in outputs:
        spent, answer = best(lambda o=output: exposure(columns, known, o), 1)  # type: ignore[misc]
        answer.check()
        seconds.append(spent)
        visited.append(answer.visited_txs)
        touched += bool(answer.direct or answer.indirect)
    p50, p99 = np.quantile(seconds, (0.5, 0.99)).tolist()
    most = {
        "max_s": max(seconds),
        "txs_p50": float(np.median(visited)),
        "txs_max": max(visited),
        "touched": touched / len(outputs),
    }
    return {f"{name}_{key}": value for key, value in {"p50_s": p50, "p99_s": p99, **most}.items()}


def build_facts(columns: Columns, folder: Path) -> Facts:
    """Build an index on disk from raw blocks, Parquet files included.

    The ceiling is hashing each chain tx twice, alone.
    """
    wanted = int(np.searchsorted(columns.block_first_tx, min(BUILT, columns.txs), side="left"))
    blocks = raw_blocks(columns, wanted)
    txs = int(columns.block_first_tx[wanted])
    raw = sum(len(block.raw) for block in blocks)
    parse_s, _ = best(lambda: parse(blocks))
    begun = time.perf_counter()
    build_cpu_s, _ = best(lambda: build(folder / "index", Blocks(columns.chain, blocks)), 1)
    build_s = time.perf_counter() - begun
    with Index.open(folder / "index") as index:
        for name in ("tx_first_input", "input_spent", "output_value", "output_address"):
            built = getattr(index.columns, name)
            assert np.array_equal(built, getattr(columns, name)[: len(built)]), name
    parts = [bytes(raw // txs)] * txs
    hash_s, _ = best(lambda: [sha256(sha256(part).digest()).digest() for part in parts], 1)
    seconds = {"build_s": build_s, "build_cpu_s": build_cpu_s, "parse_s": parse_s, "hash_s": hash_s}
    return {"build_txs": txs, "build_raw_bytes": raw, **seconds}


def extract_facts(columns: Columns, folder: Path) -> Facts:
    """Write the chain as Parquet, cut a case out of it by SQL, build an index of that, and compare the two answers."""
    write_s, root = best(lambda: tracing_parquet.write(columns, folder / "whole"), 1, time.perf_counter)
    seeds = seeds_of(columns)
    connection = connect_parquet(root)
    part = folder / "case" / "parquet"
    extract_s, txs = best(
        lambda: extract(connection, Case(seeds, EXTRACT_HOPS), part, columns.chain), 1, time.perf_counter
    )
    connection.close()
    build(folder / "case-index", ParquetSource(part))
    whole = trace(columns, question_of(Policy.FIFO, seeds, EXTRACT_HOPS))
    with Index.open(folder / "case-index") as case:
        marks = [case.find_output(columns.outpoint_text(seed)) for seed in seeds]
        answer = trace(case.columns, question_of(Policy.FIFO, marks, EXTRACT_HOPS))
        ours = _rests(case.columns, answer)
    assert ours == _rests(columns, whole)
    size = tracing_parquet.size_of(root) / columns.txs
    return {"parquet_write_s": write_s, "parquet_bytes": size, "extract_s": extract_s, "extract_txs": txs}


def _rests(columns: Columns, answer: Answer) -> list[tuple[str, int]]:
    """Say where the money is, by outpoints."""
    held = [(row.output, row.value) for row in answer.held]
    left = [(row.output, row.value) for row in answer.left]
    return [(columns.outpoint_text(output), value) for output, value in held + left]
