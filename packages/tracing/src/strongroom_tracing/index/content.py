"""What a dataset hash covers: every byte of what an index knows, block by block.

The digest of a block is the SHA-256 of the digest before it, of how many entries the block adds of each kind
(``KINDS``), and of the bytes that it adds to each column (``COVERED``); the digest before the first block is that of
the chain's name and the first height. Numbers are of 8 bytes, little-endian, hashes in wire order. The columns are a
function of what the source said alone, whatever the source and the steps, and so are the digests: no other index has
the same ones, unless all that stands in it is the same. A digest of each block is a column of its own, so that taking
blocks back takes theirs back, and that going on is going on from the last one.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.columns import COINBASE
from strongroom_tracing.index.hashing import HASH_BYTES
from strongroom_tracing.index.layout import Counts
from strongroom_tracing.index.tables import Piece

Numbers = npt.NDArray[np.int64]

KINDS: Final = ("blocks", "txs", "inputs", "externals", "outputs", "addresses", "script_bytes")
# In this order, with what is counted of each. Who spends an output is said by the inputs; the rest is for look-ups.
COVERED: Final = {
    "block_hash": "blocks",
    "block_time": "blocks",
    "block_first_tx": "blocks",
    "txid": "txs",
    "tx_first_input": "txs",
    "tx_first_output": "txs",
    "input_spent": "inputs",
    "external_value": "externals",
    "output_value": "outputs",
    "output_address": "outputs",
    "script_at": "addresses",
    "script_bytes": "script_bytes",
}


def first_digest(chain: str, first_height: int) -> bytes:
    """Give the digest that comes before the first block of an index."""
    return hashlib.sha256(f"strongroom-tracing dataset 2\n{chain}\n{first_height}\n".encode()).digest()


def digests(last: bytes, counts: Counts, piece: Piece) -> npt.NDArray[np.uint8]:
    """Give the digest of each block of a piece; ``last`` and ``counts`` are of all before it."""
    ends = _ends(counts, piece)
    # From here on everything is bytes, with where those of each block begin and, last, where all end.
    columns = [_bytes(getattr(piece, name)) for name in COVERED]
    places = [(_row_bytes(getattr(piece, name)) * ends[kind]).tolist() for name, kind in COVERED.items()]
    added = _bytes(np.stack([np.diff(ends[kind]) for kind in KINDS], axis=1))
    row = 8 * len(KINDS)
    found = bytearray()
    for block in range(len(piece.block_hash)):
        slices = [column[at[block] : at[block + 1]] for column, at in zip(columns, places, strict=True)]
        last = hashlib.sha256(b"".join((last, added[row * block : row * (block + 1)], *slices))).digest()
        found += last
    return np.frombuffer(found, np.uint8).reshape(-1, HASH_BYTES)


def addresses_by_block(counts: Counts, piece: Piece) -> Numbers:
    """How many addresses there are after each block; new ones are numbered in the order in which they appear."""
    highest = np.maximum.accumulate(np.concatenate(([counts.addresses - 1], piece.output_address)))
    ends = np.concatenate(([counts.outputs], piece.tx_first_output))[piece.block_first_tx - counts.txs]
    counted: Numbers = highest[ends - counts.outputs] + 1
    return counted


def _ends(counts: Counts, piece: Piece) -> dict[str, Numbers]:
    """Give how many entries of each kind there are in a piece before each block and, last, in all."""
    txs = _from_zero(piece.block_first_tx - counts.txs)
    inputs = _from_zero(piece.tx_first_input - counts.inputs)[txs]
    addresses = _from_zero(addresses_by_block(counts, piece) - counts.addresses)
    return {
        "blocks": np.arange(len(piece.block_hash) + 1),
        "txs": txs,
        "inputs": inputs,
        "externals": np.searchsorted(np.flatnonzero(piece.input_spent < COINBASE), inputs),
        "outputs": _from_zero(piece.tx_first_output - counts.outputs)[txs],
        "addresses": addresses,
        "script_bytes": _from_zero(piece.script_at - counts.script_bytes)[addresses],
    }


def _bytes(array: npt.NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _row_bytes(array: npt.NDArray[Any]) -> int:
    return int(array.dtype.itemsize * np.prod(array.shape[1:], dtype=np.int64))


def _from_zero(ends: Numbers) -> Numbers:
    return np.concatenate((np.zeros(1, np.int64), ends))
