"""Chain txs scanned per second against 1,000 and 1,000,000 watched scripts, and the time of a full block.

Real full blocks from `../shared/data/btc_blocks` (or `STRONGROOM_SHARED_DATA`); where they are absent, blocks made here
of the same size, and the rows say so. Each scan is the product's own: header, every txid, merkle root, every output
against the watched scripts and every input against our coins. The two sizes take turns block by block, and the best of
the turns counts, so that a noisy machine does not decide. The ceiling is hashing alone: the same bytes, digested twice
per chain tx and up to the merkle root. `python -m benchmarks.chains` prints the rows.
"""

from __future__ import annotations

import gc
import json
import os
import random
import struct
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from strongroom.chains.bitcoin.parser import Wanted, merkle_root, parse_tx, scan_block

FEW: Final = 1_000
MANY: Final = 1_000_000
ROUNDS: Final = 15
BLOCK_TXS: Final = 2_000
BLOCK_MS_MAX: Final = 100.0
HITS: Final = 100
FULL_BYTES: Final = 500_000
CHECKOUT: Final = Path(__file__).resolve().parents[1]
VARIABLE: Final = "STRONGROOM_SHARED_DATA"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """One block and what a scan of it must find."""

    name: str
    raw: bytes
    txs: int


class Everything(set[bytes]):
    """Watches every script, to learn what a block holds."""

    def __contains__(self, _: object) -> bool:
        """Say yes."""
        return True

    def __bool__(self) -> bool:
        """Say that there is something."""
        return True

    def isdisjoint(self, _: object) -> bool:
        """Say that something is shared."""
        return False


def real_blocks() -> list[Sample]:
    """Read the recorded full blocks, or none where they are absent."""
    folder = Path(os.environ.get(VARIABLE, CHECKOUT.parent / "shared" / "data")) / "btc_blocks"
    files = sorted(folder.glob("b*_block*[0-9].*")) if folder.is_dir() else []
    found = []
    for path in files:
        raw = path.read_bytes()
        if "undo" not in path.name and path.suffix in {".raw", ".dat"} and len(raw) >= FULL_BYTES:
            found.append(Sample(path.stem, raw, scan_block(raw, Wanted(frozenset(), set())).tx_count))
    return found


def made_block(chance: random.Random) -> Sample:
    """Make a block of `BLOCK_TXS` chain txs, two inputs with witnesses and two outputs each."""
    txs = []
    for _ in range(BLOCK_TXS):
        inputs = b"".join(chance.randbytes(36) + b"\x00" + b"\xfd\xff\xff\xff" for _ in range(2))
        outputs = b"".join(struct.pack("<q", 1) + b"\x22\x00\x20" + chance.randbytes(32) for _ in range(2))
        witness = (b"\x02\x48" + chance.randbytes(72) + b"\x21" + chance.randbytes(33)) * 2
        txs.append(b"\x02\x00\x00\x00\x00\x01\x02" + inputs + b"\x02" + outputs + witness + bytes(4))
    root = merkle_root([parse_tx(tx).txid_bytes for tx in txs])
    header = bytes(36) + root + bytes(12)
    return Sample("made here", header + b"\xfd" + struct.pack("<H", BLOCK_TXS) + b"".join(txs), BLOCK_TXS)


def scripts_of(samples: Sequence[Sample]) -> list[bytes]:
    """Take some scripts that the blocks pay, so that scans find something."""
    found = [script for sample in samples for _, tx in all_txs(sample) for _, script in tx.outputs]
    return found[:: max(1, len(found) // HITS)][:HITS]


def all_txs(sample: Sample) -> Sequence[tuple[int, Any]]:
    """Take a whole block apart."""
    return scan_block(sample.raw, Wanted(Everything(), set())).found


def watched(count: int, some: Sequence[bytes], chance: random.Random) -> set[bytes]:
    """Make a set of that many witness scripts, `some` among them."""
    scripts = {b"\x00\x20" + chance.randbytes(32) for _ in range(count - len(set(some)))}
    return scripts | set(some)


def seconds_of(work: Callable[[], object]) -> float:
    """Time one piece of work."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def hash_alone(parts: Sequence[bytes]) -> bytes:
    """Do what no scan can do without: digest every chain tx, and the tree above."""
    return merkle_root([sha256(sha256(part).digest()).digest() for part in parts])


def best_seconds(samples: Sequence[Sample], kinds: Sequence[Callable[[Sample], object]]) -> list[list[float]]:
    """Time every kind of work on every block, turn by turn; the best of each: one list a kind."""
    best = [[float("inf")] * len(samples) for _ in kinds]
    gc.disable()
    try:
        for _ in range(ROUNDS):
            for place, sample in enumerate(samples):
                for kind, work in enumerate(kinds):
                    best[kind][place] = min(best[kind][place], seconds_of(lambda: work(sample)))  # noqa: B023 - at once
    finally:
        gc.enable()
    return best


def memory_bytes(count: int) -> int:
    """Measure what that many watched scripts hold."""
    tracemalloc.start()
    kept = watched(count, (), random.Random(3))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(kept) == count
    return held


def run() -> list[Row]:
    """Measure; rows of name, value, unit, baseline, ratio."""
    chance = random.Random(1)
    samples = real_blocks()
    where = "real blocks" if samples else "blocks made here"
    samples = samples or [made_block(chance) for _ in range(3)]
    some = scripts_of(samples)
    few, many = watched(FEW, some, chance), watched(MANY, some, chance)
    parts = {sample.raw: [tx.raw for _, tx in all_txs(sample)] for sample in samples}

    def scan(scripts: set[bytes]) -> Callable[[Sample], object]:
        return lambda sample: scan_block(sample.raw, Wanted(scripts, set()))

    seconds = best_seconds(samples, [scan(few), scan(many), lambda sample: hash_alone(parts[sample.raw])])
    txs = sum(sample.txs for sample in samples)
    rates = [txs / sum(kind) for kind in seconds]
    fullest = max(range(len(samples)), key=lambda place: samples[place].txs)
    block_ms = seconds[1][fullest] * 1000 * BLOCK_TXS / samples[fullest].txs
    return [
        _row(f"chain txs scanned, {FEW:,} watched ({where})", rates[0], "tx/s", rates[2]),
        _row(f"chain txs scanned, {MANY:,} watched ({where})", rates[1], "tx/s", rates[0]),
        _row(f"a block of {BLOCK_TXS:,} chain txs, {MANY:,} watched ({where})", block_ms, "ms", BLOCK_MS_MAX),
        _row(f"memory of {MANY:,} watched scripts", memory_bytes(MANY) / 2**20, "MiB", None),
    ]


def _row(name: str, value: float, unit: str, baseline: float | None) -> Row:
    ratio = None if baseline is None else round(value / baseline, 3)
    shown = None if baseline is None else round(baseline, 1)
    return {"name": name, "value": round(value, 1), "unit": unit, "baseline": shown, "ratio": ratio}


def main() -> None:
    """Print the rows."""
    for row in run():
        print(json.dumps(row))


if __name__ == "__main__":
    main()
