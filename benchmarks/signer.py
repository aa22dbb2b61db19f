"""A signer's decisions and proofs per second with every check, and how long one takes from bytes to signature.

One signer over a journal on the disk (synced before a signature leaves), asked in process: what sockets and the peer's
confirmation add is in the suite of the whole platform. A decision is: read the PSBT, derive every script, verify the
merchant's signature, judge all rules with own books and proven coins, journal, sync, sign. Its baseline is the same
signer with own books, view and proven coins switched off; a proof's is to hash its branch, or its header and nodes,
alone. Blocks of 2,000 chain txs, so a branch has eleven levels. `python -m benchmarks.signer` prints the rows.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from strongroom_core.messages import Signed
from strongroom_core.proof_messages import Proven, ProveReceiptsRequest, ProveTxsRequest, ReceiptProof, TxProof
from strongroom_core.wire import Message
from strongroom_signer.keccak import keccak256
from tests.unit.signer.bitcoin_blocks import levels_of, txid_of
from tests.unit.signer.books_kit import CHAIN, EVM, HORIZON, HOUSE_PLACE, USDT, World, coinbase, swept
from tests.unit.signer.kit import SATS, Bench, Coin, coin, intent, parse_policy, payout, policy_text
from tests.unit.signer.safe_kit import UNITS

DECISIONS: Final = 300
PER_BLOCK: Final = 2_000
PROOFS: Final = 500
ROUNDS: Final = 5
WIDE: Final = {"per_window": 10**15, "daily_fee_budget": 10**12}
Row = dict[str, Any]


@dataclass(frozen=True)
class Took:
    """Seconds of each request, in order."""

    seconds: list[float]

    @property
    def per_second(self) -> float:
        """How many of them fit into a second."""
        return len(self.seconds) / sum(self.seconds)

    def quantile_ms(self, percent: int) -> float:
        """Give the time, in milliseconds, within which so many of a hundred were answered."""
        return statistics.quantiles(self.seconds, n=100)[percent - 1] * 1000


def run() -> list[Row]:
    """Measure; rows of name, value, unit, baseline, ratio."""
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as folder:
        return [*_decisions(Path(folder)), *_proofs(Path(folder)), *_receipts(Path(folder))]


def _row(name: str, unit: str, value: float, baseline: float) -> Row:
    ratio = round(value / baseline, 2)
    return {"name": name, "value": round(value, 2), "unit": unit, "baseline": round(baseline, 2), "ratio": ratio}


def _world(folder: Path) -> World:
    folder.mkdir()
    return World(folder, changes=WIDE)


def _decisions(folder: Path) -> list[Row]:
    """The two take turns, so that a noisy machine is fair to both."""
    world = _world(folder / "books")
    _make_caps_wide(world.bench)
    world.fund(SATS, HOUSE_PLACE)
    coins = [world.coin(SATS, index=number % 50) for number in range(DECISIONS)]
    world.bitcoin.mine(HORIZON, *(item.previous for item in coins))
    world.prove_all(*map(world.proof_of, coins))
    (folder / "alone").mkdir()
    text = policy_text(**WIDE)
    alone = Bench(folder / "alone", parse_policy(text), text=text)
    _make_caps_wide(alone)
    strangers = [coin(SATS, 2, number % 50, number) for number in range(DECISIONS)]
    full, plain = Took([]), Took([])
    for proven, stranger in zip(coins, strangers, strict=True):
        full.seconds.append(_sign(world.bench.ask, proven))
        plain.seconds.append(_sign(alone.ask, stranger))
    world.close()
    alone.close()
    return [
        _row("decisions with full checks, one payout each", "1/s", full.per_second, plain.per_second),
        _row("verify, journal and sign, p50", "ms", full.quantile_ms(50), plain.quantile_ms(50)),
        _row("verify, journal and sign, p99", "ms", full.quantile_ms(99), plain.quantile_ms(99)),
    ]


def _make_caps_wide(bench: Bench) -> None:
    for merchant in bench.signer.enrolment.values():
        for caps in merchant.caps.values():
            for name in ("per_payout", "per_window", "unlisted_per_window"):
                object.__setattr__(caps, name, 10**15)


def _sign(ask: Callable[[Message], Message], spent: Coin) -> float:
    request = payout(intent(amount=SATS // 2), coins=(spent,), fee=400).request()
    start = time.perf_counter()
    answer = ask(request)
    seconds = time.perf_counter() - start
    assert isinstance(answer, Signed), answer
    return seconds


def _proofs(folder: Path) -> list[Row]:
    """Deposits of one block, in requests as large as they may be."""
    world = _world(folder / "proofs")
    coins = [world.coin(600 + number, index=number % 50) for number in range(PROOFS * ROUNDS)]
    proofs: list[TxProof] = []
    for at in range(0, len(coins), PROOFS):
        block = [item.previous for item in coins[at : at + PROOFS]]
        block += [coinbase(100_000 + at + number) for number in range(PER_BLOCK - PROOFS - 1)]
        world.bitcoin.mine(2, *block)
        proofs += _of_block(world, coins[at : at + PROOFS])
    took = Took([_prove(world, tuple(proofs[at : at + PROOFS])) for at in range(0, len(proofs), PROOFS)])
    hashing = Took([_climb(proof) for proof in proofs])
    size = statistics.median(len(item.tx) + len(item.block) + len(item.siblings) for item in proofs)
    world.close()
    return [
        _row("deposits proven by Merkle branches", "1/s", took.per_second * PROOFS, hashing.per_second),
        _row("size of such a proof", "bytes", size, statistics.median(len(item.tx) for item in proofs)),
    ]


def _of_block(world: World, coins: list[Coin]) -> list[TxProof]:
    """All proofs of one block, its tree built once."""
    header, txs = world.bitcoin.blocks[-2]
    levels = levels_of([txid_of(tx) for tx in txs])
    places = {tx: at for at, tx in enumerate(txs)}
    found = []
    for item in coins:
        at = place = places[item.previous]
        siblings = b""
        for level in levels[:-1]:
            siblings += level[min(place ^ 1, len(level) - 1)]
            place >>= 1
        found.append(
            TxProof(item.previous, header.hash, header.height, at, siblings, 1, "hot", item.branch, item.place)
        )
    return found


def _prove(world: World, proofs: tuple[TxProof, ...]) -> float:
    start = time.perf_counter()
    answer = world.bench.ask(ProveTxsRequest("bench", CHAIN, proofs))
    seconds = time.perf_counter() - start
    assert isinstance(answer, Proven)
    assert not any(item.tag for item in answer.results), answer.results[0]
    return seconds


def _climb(proof: TxProof) -> float:
    start = time.perf_counter()
    node = hashlib.sha256(hashlib.sha256(proof.tx).digest()).digest()
    for at in range(0, len(proof.siblings), 32):
        node = hashlib.sha256(hashlib.sha256(node + proof.siblings[at : at + 32]).digest()).digest()
    return time.perf_counter() - start


def _receipts(folder: Path) -> list[Row]:
    """Sweeps of forwarders, each in a block of its own: what a quiet chain asks of a signer."""
    world = _world(folder / "receipts")
    made = [world.evm.put(swept(USDT, UNITS + number, 2, number % 50)) for number in range(PROOFS)]
    proofs = tuple(block.proof(0, index=number % 50) for number, block in enumerate(made))
    start = time.perf_counter()
    answer = world.bench.ask(ProveReceiptsRequest("bench", EVM, proofs))
    seconds = time.perf_counter() - start
    assert isinstance(answer, Proven)
    assert not any(item.tag for item in answer.results), answer.results[0]
    world.close()
    hashing = Took([_hash(item) for item in proofs])
    size = statistics.median(_size(item) for item in proofs)
    return [
        _row("sweeps proven by receipts", "1/s", PROOFS / seconds, hashing.per_second),
        _row("size of such a proof, one receipt in its block", "bytes", size, len(proofs[0].header)),
    ]


def _hash(proof: ReceiptProof) -> float:
    start = time.perf_counter()
    keccak256(proof.header)
    keccak256(proof.nodes)
    return time.perf_counter() - start


def _size(proof: ReceiptProof) -> int:
    return len(proof.header) + len(proof.nodes)


if __name__ == "__main__":
    for line in run():
        print(json.dumps(line))
