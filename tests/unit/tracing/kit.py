"""Chains for tests of tracing: made of plain lists, made by Hypothesis, and recorded ones.

Columns made here are of the same (read-only) types as those of an index, so that compiled functions are compiled once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from strongroom_core.assets import BITCOIN_REGTEST, BITCOIN_TESTNET
from strongroom_tracing.columns import COINBASE, UNSPENT, Columns
from strongroom_tracing.index.model import RawBlock
from strongroom_tracing.index.service import Index, in_memory
from strongroom_tracing.index.tables import read_only

SUBSIDY = 50
TESTNET_HEIGHTS = (928816, 928828, 928831, 928848, 928849, 928927)


@dataclass(frozen=True, slots=True)
class Tx:
    """A chain tx of plain numbers: ``inputs`` as in ``Columns.input_spent``, ``outputs`` as (value, address)."""

    inputs: Sequence[int]
    outputs: Sequence[tuple[int, int]]


def coinbase(*values: int, address: int = 0) -> Tx:
    """Make a coinbase."""
    return Tx([COINBASE], [(value, address) for value in values])


def columns_of(
    blocks: Sequence[Sequence[Tx]],
    *,
    external: Sequence[int] = (),
    first_height: int = 0,
    chain: str = BITCOIN_REGTEST.id,
) -> Columns:
    """Make columns of blocks, which are lists of chain txs."""
    txs = [tx for block in blocks for tx in block]
    outputs = [output for tx in txs for output in tx.outputs]
    spending = np.full(len(outputs), UNSPENT, np.int64)
    for number, tx in enumerate(txs):
        for spent in tx.inputs:
            if spent >= 0:
                assert spending[spent] == UNSPENT, f"output {spent} is spent twice"
                spending[spent] = number
    columns = Columns(
        chain=chain,
        first_height=first_height,
        block_hash=_hashes("block", len(blocks)),
        block_time=np.arange(len(blocks), dtype=np.int64) * 600,
        block_first_tx=_ends([len(block) for block in blocks]),
        txid=_hashes("tx", len(txs)),
        tx_first_input=_ends([len(tx.inputs) for tx in txs]),
        tx_first_output=_ends([len(tx.outputs) for tx in txs]),
        input_spent=np.array([spent for tx in txs for spent in tx.inputs], np.int64),
        external_value=np.array(external, np.int64),
        output_value=np.array([value for value, _ in outputs], np.int64),
        output_address=np.array([address for _, address in outputs], np.int64),
        output_spending=spending,
        addresses=max((address for _, address in outputs), default=-1) + 1,
    )
    return read_only(columns)


@st.composite
def chains(draw: Any, *, blocks: int = 6, txs: int = 4, addresses: int = 6, largest: int = 1000) -> list[list[Tx]]:
    """Draw a chain that follows the rules: a coinbase of subsidy and fees, split at will, no value out of nothing."""
    made: list[list[Tx]] = []
    unspent: dict[int, int] = {}  # output: value
    outputs = 0
    address = st.integers(0, addresses - 1)
    for _ in range(draw(st.integers(1, blocks))):
        fees, payments = 0, []
        # A block's coinbase comes first, so its outputs are numbered before those of the payments that pay it fees.
        shares = draw(st.integers(1, 2))
        coinbase_outputs = range(outputs, outputs + shares)
        outputs += shares
        for _ in range(draw(st.integers(0, txs))):
            if not unspent:
                break
            spent = draw(st.lists(st.sampled_from(sorted(unspent)), min_size=1, max_size=4, unique=True))
            total = sum(unspent.pop(output) for output in spent)
            paid = []
            for _ in range(draw(st.integers(0, 4))):
                value = draw(st.one_of(st.integers(0, total), st.just(total)))
                paid.append((value, draw(address)))
                total -= value
            fees += total
            unspent.update(zip(range(outputs, outputs + len(paid)), (value for value, _ in paid), strict=True))
            outputs += len(paid)
            payments.append(Tx(spent, paid))
        reward = draw(st.integers(1, largest)) + fees
        first = draw(st.integers(0, reward)) if shares > 1 else reward
        values = [first, reward - first][:shares]
        unspent.update(zip(coinbase_outputs, values, strict=True))
        made.append([Tx([COINBASE], [(value, draw(address)) for value in values]), *payments])
    return made


def blk_blocks(data: bytes, first_height: int = 0) -> list[RawBlock]:
    """Give the blocks of the bytes of a blk file that are in order."""
    blocks: list[RawBlock] = []
    at = 0
    while at + 8 <= len(data) and (size := int.from_bytes(data[at + 4 : at + 8], "little")):
        blocks.append(RawBlock(first_height + len(blocks), "", data[at + 8 : at + 8 + size]))
        at += 8 + size
    return blocks


def blocksci(shared_data: Path) -> tuple[Index, dict[str, Any]]:
    """Give the index of BlockSci's own regtest chain, and what its tests name there."""
    folder = shared_data / "btc_blocks"
    blocks = blk_blocks((folder / "blocksci_regtest_btc.blk00000.dat").read_bytes())
    names: dict[str, Any] = json.loads((folder / "blocksci_regtest_btc.output.json").read_text())
    return in_memory(blocks, BITCOIN_REGTEST), names


def testnet_blocks(shared_data: Path) -> list[RawBlock]:
    """Give six real blocks of testnet3 with what they spend; of the heights between them there are none."""
    folder = shared_data / "btc_blocks"
    return [
        RawBlock(
            height,
            "",
            (folder / f"bcoin_block{height}.raw").read_bytes(),
            (folder / f"bcoin_block{height}-undo.raw").read_bytes(),
        )
        for height in TESTNET_HEIGHTS
    ]


def testnet(shared_data: Path) -> Index:
    """Give the index of six real blocks of testnet3: 4,588 chain txs, of whose inputs 2,970 spend outputs in them."""
    return in_memory(testnet_blocks(shared_data), BITCOIN_TESTNET, gaps=True)


def _hashes(kind: str, count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    data = b"".join(hashlib.sha256(f"{kind} {number}".encode()).digest() for number in range(count))
    return np.frombuffer(bytearray(data), np.uint8).reshape(count, 32)


def _ends(counts: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))
