"""Account chains at scale: what opening an index costs, in seconds and memory, and a trace from marks in it.

A made-up chain of some millions of transfers, its ends by a power law (a few services, very many others), is written as
an index; then two processes ask it the same: one with the columns mapped from their files, as tracing does, one that
reads all of the Parquet into arrays of its own first. ``python -m benchmarks.tracing_accounts`` prints the rows;
numbers of transfers may follow.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.tracing import row
from strongroom_tracing.accounts import service, store
from strongroom_tracing.accounts.chains import ChainTables
from strongroom_tracing.accounts.evidence import document, provenance
from strongroom_tracing.accounts.genuine import Genuine, Token
from strongroom_tracing.accounts.model import Block, Kind, Limits, Mark, Question
from strongroom_tracing.accounts.parquet import TRANSFERS
from strongroom_tracing.accounts.store import Manifest
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.taint.model import Direction, Policy

SIZES: Final = (1_000_000, 10_000_000)
NAMES: Final = "marks.json"
MARKS: Final = 200
HOPS: Final = 12
CHECKOUT: Final = Path(__file__).resolve().parents[1]
BLOCK_TXS: Final = 150
CHAIN: Final = "eip155:1"
SEED: Final = 5
PATIENCE_S: Final = 1800
BUSY: Final = 2000  # an address with more transfers than this is taken for a service
WRAPPING, GENUINE, FAKE = 1, 2, 3  # contracts, by the number of their address; 0 is the zero address
PARTIES: Final = 100  # numbers from here on are people's
Facts = dict[str, Any]
Row = dict[str, Any]
Ints = npt.NDArray[np.int64]


def addresses(numbers: Ints) -> npt.NDArray[np.uint8]:
    """Give 20 bytes for each number, scattered as hashes are."""
    mixed = (numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)).astype(">u8")
    found = np.zeros((len(numbers), 20), np.uint8)
    found[:, :8] = mixed.view(np.uint8).reshape(-1, 8)
    found[:, 12:] = numbers.astype(">u8").view(np.uint8).reshape(-1, 8)
    return found


def address(number: int) -> bytes:
    """Give one."""
    return addresses(np.array([number], np.int64)).tobytes()


def believed() -> Genuine:
    """Give the list of this chain's genuine contracts."""
    names = ((WRAPPING, "WETH", True), (GENUINE, "TOK", False))
    return Genuine.of(
        Token(CHAIN, "0x" + address(number).hex(), symbol, 18, wraps=wraps, source="this benchmark")
        for number, symbol, wraps in names
    )


def write(folder: Path, transfers: int) -> None:
    """Write an index of about so many transfers: each chain tx has gas, a payment and a tip, some a wrap's two rows."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(SEED)
    blocks = transfers // (BLOCK_TXS * 3)
    people = max(1000, transfers // 5)
    ranges = []
    for first in range(0, blocks, store.RANGE_BLOCKS):
        heights = range(first, min(first + store.RANGE_BLOCKS, blocks))
        heads = [Block(height, _hash(height), _hash(height - 1), 12 * height) for height in heights]
        ranges.append(store.write_tables(folder, first, heads, _rows(random, len(heights), first, people)))
    store.save_manifest(folder, Manifest(CHAIN, traced=True, tip_hash=_hash(blocks - 1).hex(), ranges=tuple(ranges)))


def _hash(height: int) -> bytes:
    return (height + 1).to_bytes(32, "big")


def _rows(random: np.random.Generator, blocks: int, first: int, people: int) -> Any:
    txs = blocks * BLOCK_TXS
    payer, payee = _ends(random, txs, people), _ends(random, txs, people)
    what = random.integers(0, 20, txs)  # 0: a wrap; 1 to 5 a token; 6 to 8 a fake; else coin
    token, wraps = (what > 0) & (what < 9), what == 0
    contract = np.where(token, np.where(what < 6, GENUINE, FAKE), -1)
    value = random.integers(1, 10**15, txs)
    nobody, some = np.full(txs, -1), np.ones(txs, bool)
    coin = np.where(wraps, Kind.INTERNAL, np.where(token, Kind.TOKEN, Kind.VALUE))
    miner = np.repeat(random.integers(PARTIES, PARTIES + 20, blocks), BLOCK_TXS)
    parts = (
        (some, np.full(txs, Kind.GAS), payer, nobody, nobody, value // 1000 + 1),
        (some, coin, payer, np.where(wraps, WRAPPING, payee), contract, value),
        (wraps, np.full(txs, Kind.WRAP), np.full(txs, WRAPPING), payer, np.full(txs, WRAPPING), value),
        (some, np.full(txs, Kind.TIP), nobody, miner, nobody, value // 2000 + 1),
    )
    at = np.concatenate([np.flatnonzero(there) for there, *_ in parts])
    order = np.lexsort((np.repeat(np.arange(len(parts)), [int(there.sum()) for there, *_ in parts]), at))
    kind, *numbers = (np.concatenate([column[part[0]] for part in parts for column in (part[n],)])[order]
                      for n in range(1, 6))  # fmt: skip
    return _table(at[order], first, kind, *numbers)


def _ends(random: np.random.Generator, count: int, people: int) -> Ints:
    """Draw by a power law: the first numbers are services, most others appear a few times."""
    drawn = np.minimum(random.zipf(1.6, count), people)
    rare = random.integers(0, people, count)
    return np.asarray(PARTIES + np.where(random.random(count) < 0.3, drawn, rare), np.int64)


def _table(at: Ints, first: int, kind: Ints, payer: Ints, payee: Ints, contract: Ints, value: Ints) -> Any:
    height, index = first + at // BLOCK_TXS, at % BLOCK_TXS
    txid = np.zeros((len(at), 32), np.uint8)
    txid[:, :8] = ((height * BLOCK_TXS + index).astype(np.uint64) * np.uint64(0xD6E8FEB86659FD93)).astype(">u8").view(
        np.uint8).reshape(-1, 8)  # fmt: skip
    txid[:, 24:] = (height * BLOCK_TXS + index).astype(">u8").view(np.uint8).reshape(-1, 8)
    words = np.zeros((len(at), 32), np.uint8)
    words[:, 24:] = value.astype(">u8").view(np.uint8).reshape(-1, 8)
    place = np.where((kind == Kind.INTERNAL) | (kind == Kind.TOKEN) | (kind == Kind.WRAP), 1, 0)
    ends = [np.where(who[:, None] < 0, np.uint8(0), addresses(who)) for who in (payer, payee, contract)]
    columns = [height, index.astype(np.int32), kind.astype(np.uint8), place.astype(np.int32)]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, TRANSFERS, strict=False)]
    arrays += [_fixed(one, width) for one, width in ((txid, 32), *((end, 20) for end in ends), (words, 32))]
    return pa.Table.from_arrays(arrays, schema=TRANSFERS)


def _fixed(rows: npt.NDArray[np.uint8], width: int) -> Any:
    data = pa.py_buffer(np.ascontiguousarray(rows).tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(rows), [None, data])


def measure(folder: Path, *, whole: bool) -> Facts:
    """Open the index (or read all of it into memory) and follow marks, in this process; seconds and bytes."""
    names = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    marks = tuple(Mark(f"theft-{place % 3}", name) for place, name in enumerate(names))
    before, start = _resident(), time.perf_counter()
    index = _whole(folder) if whole else service.open_indexes(folder, genuine=believed())
    open_s, opened = time.perf_counter() - start, _resident()
    asked = Question(Policy.FIFO, Direction.FORWARD, marks, limits=Limits(hops=HOPS, transfers=BUSY))
    start = time.perf_counter()
    one = service.trace(index, dataclasses.replace(asked, marks=marks[:1]))
    one_s, of_one = time.perf_counter() - start, _resident()
    start = time.perf_counter()
    answer = service.trace(index, asked)
    first_s, traced = time.perf_counter() - start, _resident()
    start = time.perf_counter()
    service.trace(index, asked)
    return {
        "one_visited": one.visited_txs, "one_s": one_s, "one_mapped_bytes": of_one["mapped"] - before["mapped"],
        "rows": index.rows, "visited": answer.visited_txs, "open_s": open_s, "first_s": first_s,
        "again_s": time.perf_counter() - start, "open_bytes": opened["own"] - before["own"],
        "own_bytes": traced["own"] - before["own"], "mapped_bytes": traced["mapped"] - before["mapped"],
        "answer": hashlib.sha256(document(answer, provenance(index, answer))).hexdigest(),
    }  # fmt: skip


def _whole(folder: Path) -> Transfers:
    """Read all of the Parquet into arrays in memory: what an index without a working set on disk has to do."""
    manifest = store.load_manifest(folder)
    assert manifest is not None
    tables = {
        kind: pa.concat_tables([store.read(folder, kind, one) for one in manifest.ranges]).combine_chunks()
        for kind in store.TABLES
    }
    return Transfers([ChainTables(CHAIN, tables["transfers"], tables["blocks"]).part()], believed())


def _payments(folder: Path) -> list[str]:
    """Name payments of coin in the middle of the chain, read from the Parquet."""
    manifest = store.load_manifest(folder)
    assert manifest is not None
    rows = store.read(folder, "transfers", manifest.ranges[len(manifest.ranges) // 2])
    found = np.flatnonzero(rows["kind"].to_numpy() == Kind.VALUE)[:MARKS]
    return [f"0x{rows['txid'][int(row)].as_py().hex()}:coin0" for row in found]


def _resident() -> dict[str, int]:
    """Give the bytes that are this process's own, and those that it has mapped of files (tmpfs counts as shared)."""
    found: dict[str, int] = {}
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition(":")
        if name.startswith("Rss"):
            found[name] = int(rest.split()[0]) * 1024
    return {"own": found["RssAnon"], "mapped": found["RssFile"] + found["RssShmem"]}


def run(sizes: Sequence[int] = SIZES) -> list[Row]:
    """Measure; rows of name, value, unit, baseline, ratio."""
    return [one for size in sizes for one in _rows_of(*_measured(size))]


def _measured(transfers: int) -> tuple[Facts, Facts, int]:
    """Measure both ways, each in a process of its own, and compare what they answer; also the bytes of the columns."""
    with tempfile.TemporaryDirectory(prefix="strongroom-accounts-") as folder:
        write(Path(folder), transfers)
        # Here, so that what reading Parquet leaves behind does not count as memory of what is measured.
        (Path(folder) / NAMES).write_text(json.dumps(_payments(Path(folder))), encoding="utf-8")
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.columns"))
        mapped, whole = (_child(folder, how) for how in ("mapped", "whole"))
    assert mapped["answer"] == whole["answer"]
    return mapped, whole, size


def _child(folder: str, how: str) -> Facts:
    command = [sys.executable, "-m", "benchmarks.tracing_accounts", how, folder]
    done = subprocess.run(command, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, timeout=PATIENCE_S)
    facts: Facts = json.loads(done.stdout)
    return facts


def _rows_of(mapped: Facts, whole: Facts, size: int) -> list[Row]:
    rows, visited = mapped["rows"], mapped["visited"]
    what = f"{rows / 1e6:.1f}M transfers of accounts"
    beside = "(baseline: all read from Parquet into memory)"
    return [
        row(f"opening an index of {what} {beside}", mapped["open_s"], "s", whole["open_s"]),
        row(f"own memory of it once opened, {what}", mapped["open_bytes"] / 1e6, "MB", whole["open_bytes"] / 1e6),
        row(f"FIFO of a mark, {mapped['one_visited']} chain txs, {what}", mapped["one_s"], "s", whole["one_s"]),
        row(
            "columns mapped and touched by it, which the system may drop", mapped["one_mapped_bytes"] / 1e6, "MB", None
        ),
        row(f"FIFO of {MARKS} marks, {visited:,} chain txs, {what}", mapped["first_s"], "s", whole["first_s"]),
        row("the same again", mapped["again_s"], "s", whole["again_s"]),
        row(f"own memory after it, {what}", mapped["own_bytes"] / 1e6, "MB", whole["own_bytes"] / 1e6),
        row(
            f"columns mapped and touched by {MARKS} marks, which the system may drop",
            mapped["mapped_bytes"] / 1e6,
            "MB",
            None,
        ),
        row(f"columns on disk, {what}", size / rows, "B/transfer", None),
    ]


def main(*words: str) -> None:
    """Print the rows; or, as a process of its own, the facts of an index."""
    if words and words[0] in ("mapped", "whole"):
        print(json.dumps(measure(Path(words[1]), whole=words[0] == "whole")))
        return
    for one in run([int(word) for word in words] or SIZES):
        print(json.dumps(one))


if __name__ == "__main__":
    main(*sys.argv[1:])
