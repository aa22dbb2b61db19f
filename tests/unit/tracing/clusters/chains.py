"""Chains made by hand: each chain tx is a few coins in and a few named addresses out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from strongroom_tracing.columns import COINBASE, UNSPENT, Columns

SUBSIDY = 50 * 10**8
NOW = 1_700_000_000


@dataclass
class Made:
    """A chain in the making; one block for each chain tx. Coins are numbers of outputs."""

    spent: list[list[int]] = field(default_factory=list)
    outputs: list[tuple[str, int, int]] = field(default_factory=list)  # address, value, chain tx
    external: list[int] = field(default_factory=list)
    time: int = NOW

    def tx(self, coins: Sequence[int], *outs: tuple[str, int]) -> int:
        """Add a chain tx; no coins: a coinbase. Gives its number."""
        self.spent.append(list(coins) if coins else [COINBASE])
        number = len(self.spent) - 1
        self.outputs += [(address, value, number) for address, value in outs]
        return number

    def mint(self, *outs: tuple[str, int]) -> list[int]:
        """Add a coinbase; gives its coins."""
        return self.coins(self.tx([], *outs))

    def before(self, value: int) -> int:
        """Give a coin from before the index, to be spent."""
        self.external.append(value)
        return -2 - (len(self.external) - 1)

    def coins(self, tx: int) -> list[int]:
        """Give the outputs of a chain tx."""
        return [number for number, output in enumerate(self.outputs) if output[2] == tx]

    def names(self) -> dict[str, int]:
        """Number the addresses by their first appearance."""
        names: dict[str, int] = {}
        for address, _, _ in self.outputs:
            names.setdefault(address, len(names))
        return names

    def columns(self, txs: int | None = None) -> Columns:
        """Give the columns of the first chain txs (default: all)."""
        txs = len(self.spent) if txs is None else txs
        spent = self.spent[:txs]
        outputs = [output for output in self.outputs if output[2] < txs]
        names = self.names()
        spending = np.full(len(outputs), UNSPENT, dtype=np.int64)
        for number, coins in enumerate(spent):
            for coin in coins:
                if coin >= 0:
                    spending[coin] = number
        makers = np.array([output[2] for output in outputs], dtype=np.int64)
        inputs = [len(coins) for coins in spent]
        addresses = np.array([names[output[0]] for output in outputs], dtype=np.int64)
        hashes = np.frombuffer(b"".join(_hash(number) for number in range(txs)), dtype=np.uint8).reshape(txs, 32)
        return Columns(
            chain="bip122:0f9188f13cb7b2c71f2a335e3a4fc328",
            first_height=0,
            block_hash=hashes,
            block_time=self.time + np.arange(txs, dtype=np.int64),
            block_first_tx=np.arange(txs + 1, dtype=np.int64),
            txid=hashes,
            tx_first_input=np.concatenate(([0], np.cumsum(inputs))).astype(np.int64),
            tx_first_output=np.searchsorted(makers, np.arange(txs + 1)).astype(np.int64),
            input_spent=np.array([coin for coins in spent for coin in coins], dtype=np.int64),
            external_value=np.array(self.external, dtype=np.int64),
            output_value=np.array([output[1] for output in outputs], dtype=np.int64),
            output_address=addresses,
            output_spending=spending,
            addresses=int(addresses.max(initial=-1)) + 1,
        )


def _hash(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(8, "big")).digest()


@st.composite
def made_chains(draw: Any, most: int = 25) -> Made:
    """Make a chain of coinbases and payments among few addresses, so that they meet often.

    Some coins are from before.
    """
    chain = Made()
    unspent: list[int] = []
    for _ in range(draw(st.integers(1, most))):
        names = st.integers(0, draw(st.integers(1, 30))).map(lambda number: f"a{number}")
        coins: list[int] = []
        if unspent and draw(st.integers(0, 1)):
            coins = draw(st.lists(st.sampled_from(unspent), min_size=1, max_size=4, unique=True))
            if draw(st.integers(0, 9)) == 0:
                coins.append(chain.before(draw(st.integers(-1, SUBSIDY))))
        money = sum(chain.outputs[coin][1] for coin in coins if coin >= 0) if coins else SUBSIDY
        outs: list[tuple[str, int]] = []
        for _ in range(draw(st.integers(1, 4))):
            value = draw(st.integers(0, money))
            money -= value
            outs.append((draw(names), value))
        unspent = [coin for coin in unspent if coin not in coins]
        tx = chain.tx(coins, *outs)
        unspent += chain.coins(tx)
    return chain
