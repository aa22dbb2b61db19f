"""The columns of a chain of coins (Bitcoin and its like): the working set that everything else reads.

Things are numbered in chain order from 0: blocks, chain txs, inputs, outputs, addresses. A number is an index into the
columns, so that following money is arithmetic. Columns are arrays in memory or memory-mapped files; nobody but the
index's builder writes them. 64-bit throughout: Bitcoin has more than 2³¹ outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

COINBASE: Final = -1  # in ``input_spent``: new money, no output is spent
UNSPENT: Final = -1  # in ``output_spending``


@dataclass(frozen=True, slots=True)
class Columns:
    """A chain of coins, from ``first_height`` on.

    ``input_spent`` holds the number of the output that an input spends, ``COINBASE``, or ``-2 - k``: an output from
    before the index, whose value is ``external_value[k]`` (-1 where nobody knows it). Hashes are in wire order
    (reversed for display).
    """

    chain: str  # CAIP-2
    first_height: int
    block_hash: npt.NDArray[np.uint8]  # (blocks, 32)
    block_time: npt.NDArray[np.int64]  # unix seconds
    block_first_tx: npt.NDArray[np.int64]  # (blocks + 1)
    txid: npt.NDArray[np.uint8]  # (txs, 32)
    tx_first_input: npt.NDArray[np.int64]  # (txs + 1)
    tx_first_output: npt.NDArray[np.int64]  # (txs + 1)
    input_spent: npt.NDArray[np.int64]  # (inputs)
    external_value: npt.NDArray[np.int64]  # base units
    output_value: npt.NDArray[np.int64]  # (outputs), base units
    output_address: npt.NDArray[np.int64]  # (outputs), number of the address (one for each distinct script)
    output_spending: npt.NDArray[np.int64]  # (outputs), number of the chain tx, or ``UNSPENT``
    addresses: int  # how many

    @property
    def blocks(self) -> int:
        """How many blocks."""
        return len(self.block_hash)

    @property
    def txs(self) -> int:
        """How many chain txs."""
        return len(self.txid)

    @property
    def outputs(self) -> int:
        """How many outputs."""
        return len(self.output_value)

    def tx_of_output(self, output: int) -> int:
        """Give the chain tx that made an output."""
        return int(np.searchsorted(self.tx_first_output, output, side="right")) - 1

    def block_of_tx(self, tx: int) -> int:
        """Give the number of the block of a chain tx; its height is ``first_height`` more."""
        return int(np.searchsorted(self.block_first_tx, tx, side="right")) - 1

    def height_of_tx(self, tx: int) -> int:
        """Give the height of the block of a chain tx."""
        return self.first_height + self.block_of_tx(tx)

    def txid_text(self, tx: int) -> str:
        """Give a txid as people write it."""
        return str(self.txid[tx].tobytes()[::-1].hex())

    def outpoint_text(self, output: int) -> str:
        """Give an outpoint as people write it, ``txid:vout``."""
        tx = self.tx_of_output(output)
        return f"{self.txid_text(tx)}:{output - int(self.tx_first_output[tx])}"
