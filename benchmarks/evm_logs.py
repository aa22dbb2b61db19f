"""Logs matched per second against 1,000 and 1,000,000 watched addresses, and the time to decode real blocks.

The real logs of two Ethereum blocks from `../shared/data/evm` (or `STRONGROOM_SHARED_DATA`), as a node answers them;
where they are absent, logs made here, and the rows say so. A match is the product's own: the answer's JSON is read,
every log is looked at, and what pays a watched address is decoded. The two sizes take turns, and the best of the turns
counts, so that a noisy machine does not decide. The ceiling is reading the JSON alone. `python -m benchmarks.evm_logs`
prints the rows.
"""

from __future__ import annotations

import gc
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from strongroom.chains.ethereum.decoding import TRANSFER_TOPIC, may_concern, payment_of, transfer_of
from strongroom.chains.ethereum.reading import log_of
from strongroom.chains.ethereum.watched import Watched

FEW: Final = 1_000
MANY: Final = 1_000_000
ROUNDS: Final = 600
ANSWERS: Final = 32  # each with other strangers, so that no look into the set is one of a moment ago
WATCHED_SHARE: Final = 20  # one log in that many pays a watched address
MADE_LOGS: Final = 681
CHECKOUT: Final = Path(__file__).resolve().parents[1]
VARIABLE: Final = "STRONGROOM_SHARED_DATA"
_decoder = msgspec.json.Decoder(float_hook=Decimal)  # as the product's JSON-RPC client reads
Row = dict[str, Any]


def real_logs() -> list[Row]:
    """Read the recorded logs in the form of a node's answer, or none where they are absent."""
    path = Path(os.environ.get(VARIABLE, CHECKOUT.parent / "shared" / "data")) / "evm"
    file = path / "eth_17173049_17173050_logs.json"
    if not file.is_file():
        return []
    return [_as_node_gives(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def _as_node_gives(log: Row) -> Row:
    return {
        "address": log["address"],
        "topics": log["topics"],
        "data": log["data"],
        "blockNumber": hex(log["block_number"]),
        "blockHash": log["block_hash"],
        "transactionHash": log["transaction_hash"],
        "transactionIndex": hex(log["transaction_index"]),
        "logIndex": hex(log["log_index"]),
        "removed": False,
    }


def made_logs(chance: random.Random) -> list[Row]:
    """Make transfers between strangers."""
    return [
        {
            "address": "0x" + chance.randbytes(20).hex(),
            "topics": ["0x" + TRANSFER_TOPIC.hex(), *("0x" + "00" * 12 + chance.randbytes(20).hex() for _ in range(2))],
            "data": "0x" + chance.randbytes(32).hex(),
            "blockNumber": "0x1",
            "blockHash": "0x" + "22" * 32,
            "transactionHash": "0x" + chance.randbytes(32).hex(),
            "transactionIndex": "0x0",
            "logIndex": hex(place),
            "removed": False,
        }
        for place in range(MADE_LOGS)
    ]


def recipients(logs: Sequence[Row]) -> list[bytes]:
    """List whom the logs pay."""
    return [payment.recipient for log in logs if (payment := payment_of(log_of(log))) is not None]


def watched(count: int, some: Sequence[bytes], chance: random.Random) -> Watched:
    """Make a set of that many addresses, `some` among them."""
    return Watched([*(chance.randbytes(20) for _ in range(count - len(set(some)))), *some])


def match(answer: bytes, scripts: Watched) -> int:
    """Do what the watcher does with a node's answer; how many payments concern us."""
    chosen = may_concern(_decoder.decode(answer), scripts, frozenset())
    return sum(payment_of(log_of(log)) is not None for log in chosen)


def with_others(logs: Sequence[Row], some: set[bytes], chance: random.Random) -> bytes:
    """Make a node's answer of the same logs that pays other strangers, and the same watched addresses."""
    changed = []
    for log in logs:
        payment = payment_of(log_of(log))
        if payment is not None and payment.recipient not in some:
            log = {**log, "topics": [*log["topics"][:2], "0x" + "00" * 12 + chance.randbytes(20).hex()]}  # noqa: PLW2901 -- the changed log is the one to keep
        changed.append(log)
    return msgspec.json.encode(changed)


def best_seconds(kinds: Sequence[Callable[[bytes], object]], answers: Sequence[bytes]) -> list[float]:
    """Time every kind of work on every answer, turn by turn.

    The best of each, each turn beginning with another kind.
    """
    best = [float("inf")] * len(kinds)
    gc.disable()
    try:
        for turn in range(ROUNDS):
            for step in range(len(kinds)):
                kind = (turn + step) % len(kinds)
                answer = answers[(turn * len(kinds) + step) % len(answers)]
                begun = time.perf_counter()
                kinds[kind](answer)
                best[kind] = min(best[kind], time.perf_counter() - begun)
    finally:
        gc.enable()
    return best


def run() -> list[Row]:
    """Measure; rows of name, value, unit, baseline, ratio."""
    chance = random.Random(1)
    real = real_logs()
    where = "real logs" if real else "logs made here"
    logs = real or made_logs(chance)
    some = recipients(logs)[::WATCHED_SHARE]
    few, many = watched(FEW, some, chance), watched(MANY, some, chance)
    answers = [with_others(logs, set(some), chance) for _ in range(ANSWERS)]
    assert all(match(answer, few) == match(answer, many) > 0 for answer in answers)
    seconds = best_seconds(
        [
            lambda answer: match(answer, few),
            lambda answer: match(answer, many),
            _decoder.decode,
            lambda _: [transfer_of(log_of(log)) for log in logs],
        ],
        answers,
    )
    rates = [len(logs) / spent for spent in seconds[:3]]
    found = sum(transfer_of(log_of(log)) is not None for log in logs)
    return [
        _row(f"logs matched, {FEW:,} addresses watched ({where})", rates[0], "logs/s", rates[2]),
        _row(f"logs matched, {MANY:,} addresses watched ({where})", rates[1], "logs/s", rates[0]),
        _row(f"{len(logs)} logs decoded in full, {found} transfers ({where})", seconds[3] * 1000, "ms", None),
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
