"""Raw blocks to columns: what stands in the bytes, without knowing what came before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strongroom_tracing.index.errors import BadBlockError
from strongroom_tracing.index.hashing import HASH_BYTES, SPARE_BYTES
from strongroom_tracing.index.model import RawBlock
from strongroom_tracing.index.reading import FAULTS, Bytes, Numbers, Words, read_blocks

# What a chain tx, an input and an output take at least, so that room for all can be made before reading.
_LEAST_TX, _LEAST_INPUT, _LEAST_OUTPUT = 10, 41, 9


@dataclass(frozen=True, slots=True)
class Parsed:
    """The content of some consecutive blocks. Positions (``*_at``) are into ``raw``; hashes are in wire order."""

    raw: Bytes
    block_hash: Bytes  # (blocks, 32)
    previous_hash: Bytes  # (blocks, 32)
    block_time: Numbers
    block_txs: Numbers  # how many chain txs
    txid: Bytes  # (txs, 32)
    tx_inputs: Numbers  # how many inputs
    tx_outputs: Numbers  # how many outputs
    outpoint_at: Numbers  # (inputs): txid and number of the output, -1 for a coinbase
    spent_value: Numbers  # (inputs): from undo data, -1 where unknown
    output_value: Numbers
    script_at: Numbers
    script_length: Numbers
    script_key: Words  # first 8 bytes of the script's SHA-256


def parse(blocks: Sequence[RawBlock]) -> Parsed:
    """Parse blocks, every byte of them, and check that their merkle roots are those of their txids.

    Raises ``BadBlockError``.
    """
    raw, start = _joined([block.raw for block in blocks])
    undo, undo_start = _joined([block.undo or b"" for block in blocks])
    room = [len(raw) // least + 1 for least in (_LEAST_TX, _LEAST_INPUT, _LEAST_OUTPUT)]
    count = np.zeros(5, np.int64)
    header = np.zeros((len(blocks), HASH_BYTES * 2), np.uint8)
    per_block = np.zeros((len(blocks), 2), np.int64)
    txid = np.empty((room[0], HASH_BYTES), np.uint8)
    per_tx = np.empty((room[0], 2), np.int64)
    per_input = np.empty((room[1], 2), np.int64)
    per_output = np.empty((room[2], 3), np.int64)
    key = np.empty(room[2], np.uint64)
    scratch = np.empty(int(np.diff(start).max(initial=0)) + HASH_BYTES + SPARE_BYTES, np.uint8)
    fault = read_blocks(
        raw, start, undo, undo_start, header, per_block, txid, per_tx, per_input, per_output, key, scratch, count
    )
    if fault:
        block = blocks[int(count[3])]
        message = f"block {block.height} ({block.hash or 'no hash given'}) {FAULTS[fault]}, near byte {count[4]}"
        raise BadBlockError(message)
    txs, inputs, outputs = (int(n) for n in count[:3])
    return Parsed(
        raw=raw,
        block_hash=np.ascontiguousarray(header[:, :HASH_BYTES]),
        previous_hash=np.ascontiguousarray(header[:, HASH_BYTES:]),
        block_time=per_block[:, 0].copy(),
        block_txs=per_block[:, 1].copy(),
        txid=txid[:txs].copy(),
        tx_inputs=per_tx[:txs, 0].copy(),
        tx_outputs=per_tx[:txs, 1].copy(),
        outpoint_at=per_input[:inputs, 0].copy(),
        spent_value=per_input[:inputs, 1].copy(),
        output_value=per_output[:outputs, 0].copy(),
        script_at=per_output[:outputs, 1].copy(),
        script_length=per_output[:outputs, 2].copy(),
        script_key=key[:outputs].copy(),
    )


def script_key(script: bytes) -> int:
    """Give the key under which a script is found: the first 8 bytes of its SHA-256, little-endian."""
    return int.from_bytes(hashlib.sha256(script).digest()[:8], "little")


def _joined(parts: Sequence[bytes]) -> tuple[Bytes, Numbers]:
    """Put bytes end to end, with where each begins and, last, where they end."""
    start = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=start[1:])
    return np.frombuffer(bytearray(b"".join(parts)), np.uint8), start
