"""A chain of coins made up for measuring, as `Columns`: the same number of chain txs and seed, the same bytes.

Made up of owners, so that clusters have a truth to be held against. Each chain tx: an owner who received something not
long ago spends some of his coins, pays others, and gives himself change. The shape is that of the real thing:

- outputs and inputs of a chain tx, and payments to an address, fall off by power laws; who was paid often is paid again
  (Simon's process; Kondor, Pósfai, Csabai, Vattay, "Do the rich get richer?", PLoS ONE 2014, found both in Bitcoin);
- ages of what is spent are spread over octaves alike, from the same block to the beginning of the chain;
- one chain tx in `JOIN_ONE_IN` is a CoinJoin of strangers with equal outputs; coinbases collect fees and rest first.

Integers only, so that every machine makes the same chain. Values in satoshi.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.tracing_growth import FEES, MATURITY, NOBODY, POOLS, Numbers, Work, grow
from strongroom_tracing.columns import Columns

CHAIN: Final = "bip122:000000000019d6689c085ae165831e93"
FULL_BLOCK: Final = 2_500  # chain txs
ROOM: Final = 4  # inputs, and outputs, that there is room for, for each chain tx; about 2.5 are made
SPARE: Final = 4_000  # so many more, for small chains
START: Final = 1_600_000_000  # unix seconds
# How often each octave comes: 1, 2..3, 4..7, ...
AGES: Final = np.cumsum([1, 1, 1, 1, 2, 2, 3, 3, 4, 5, *[10] * 18])
TAIL: Final = np.cumsum([10_000 * 10_000**octave // 22_974**octave for octave in range(10)])  # 2^1.2 times rarer each


@dataclass(frozen=True, slots=True)
class Made:
    """A chain and what nobody sees in it: the owner of each address, and the chain txs that are CoinJoins."""

    columns: Columns
    owner: npt.NDArray[np.int32]
    joins: Numbers


def make(txs: int, *, seed: int = 1, full_block: int = FULL_BLOCK, folder: Path | None = None) -> Made:
    """Make a chain of `txs` chain txs, coinbases included; in memory, or in files of `folder` that are mapped."""
    block_first_tx = np.array([0, *np.cumsum(_sizes(txs, full_block)).tolist()], np.int64)
    work = _work(txs, seed, folder)
    grow(block_first_tx, work)
    inputs, outputs, addresses, _, joined = work.count[:FEES].tolist()
    blocks = len(block_first_tx) - 1
    columns = Columns(
        chain=CHAIN,
        first_height=0,
        block_hash=np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (blocks, 32), np.uint8),
        block_time=START + 600 * np.arange(blocks),
        block_first_tx=block_first_tx,
        txid=work.txid.view(np.uint8).reshape(-1, 32),
        tx_first_input=work.first_input,
        tx_first_output=work.first_output,
        input_spent=work.spent[:inputs],
        external_value=np.empty(0, np.int64),
        output_value=work.value[:outputs],
        output_address=work.address[:outputs],
        output_spending=work.spending[:outputs],
        addresses=addresses,
    )
    for array in (getattr(columns, name) for name in columns.__slots__):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return Made(columns, work.owner[:addresses].copy(), work.joins[:joined].copy())


def _work(txs: int, seed: int, folder: Path | None) -> Work:
    def mapped(name: str, size: int, kind: type[np.generic] = np.int64) -> npt.NDArray[Any]:
        if folder is None:
            return np.empty(size, kind)
        return np.memmap(folder / name, kind, "w+", shape=(size,)).view(np.ndarray)

    room = ROOM * txs + SPARE
    return Work(
        txid=mapped("txid", 4 * txs, np.uint64),
        first_input=mapped("first_input", txs + 1),
        first_output=mapped("first_output", txs + 1),
        spent=mapped("spent", room),
        value=mapped("value", room),
        address=mapped("address", room),
        spending=mapped("spending", room),
        below=np.empty(room, np.int32),
        owner=np.empty(room, np.int32),
        top=np.full(room, NOBODY, np.int32),
        joins=np.empty(txs // 100 + 100, np.int64),
        pool_address=np.full(POOLS, NOBODY, np.int64),
        ages=AGES,
        tail=TAIL,
        state=np.array([seed], np.uint64),
        count=np.array([0, 0, 0, POOLS, 0, 0]),  # the pools are owners already
    )


def _sizes(txs: int, full_block: int) -> list[int]:
    """Give how many chain txs each block has: coinbases alone until the first can be spent, then more and more."""
    sizes: list[int] = []
    left = txs
    while left > 0:
        grown = 1 + full_block * max(0, len(sizes) - MATURITY) // MATURITY
        sizes.append(min(grown, full_block, left))
        left -= sizes[-1]
    return sizes
