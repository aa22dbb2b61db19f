"""Blocks for tests: a Merkle tree of our own and its branches, a reader of recorded blocks, a view that is a table."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embit import compact
from embit.script import Script
from embit.transaction import Transaction, TransactionInput, TransactionOutput

from strongroom_core.proof_messages import TxProof
from strongroom_signer.headers import Header, hash_of

PAIR = 64


def sha256d(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def levels_of(leaves: list[bytes]) -> list[list[bytes]]:
    """All levels of a tree, as Bitcoin builds it: the last of an odd level stands twice."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        level = levels[-1]
        padded = [*level, level[-1]] if len(level) % 2 else level
        levels.append([sha256d(padded[at] + padded[at + 1]) for at in range(0, len(padded), 2)])
    return levels


def branch_of(leaves: list[bytes], position: int) -> bytes:
    parts = []
    for level in levels_of(leaves)[:-1]:
        sibling = min(position ^ 1, len(level) - 1)
        parts.append(level[sibling])
        position >>= 1
    return b"".join(parts)


@dataclass
class RecordedBlock:
    raw: bytes
    txs: list[bytes]
    txids: list[bytes]

    @property
    def header(self) -> bytes:
        return self.raw[:80]


def read_block(raw: bytes) -> RecordedBlock:
    """Split a raw block into its chain txs, by embit's reader of one transaction."""
    stream = io.BytesIO(raw)
    stream.seek(80)
    txs, txids = [], []
    for _ in range(compact.read_from(stream)):
        start = stream.tell()
        tx = Transaction.read_from(stream)
        txs.append(raw[start : stream.tell()])
        txids.append(bytes(tx.hash()))
    return RecordedBlock(raw, txs, txids)


def recorded_blocks(path: Path) -> Iterator[bytes]:
    """Blocks of a file of framed ones (magic, length, block), or the one block that a file is."""
    data, at = path.read_bytes(), 0
    if data[:4] != bytes.fromhex("f9beb4d9"):
        yield data
        return
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at + 8 : at + 8 + size]
        at += 8 + size


class TableView:
    """A view that agrees on the headers that a test puts in."""

    def __init__(self, height: int = 0) -> None:
        self.headers: dict[bytes, Header] = {}
        self.height = height

    def put(self, raw: bytes, height: int) -> bytes:
        self.headers[hash_of(raw)] = Header(raw, hash_of(raw), height, 0)
        self.height = max(self.height, height)
        return hash_of(raw)

    def find(self, block: bytes) -> Header | None:
        return self.headers.get(block)


def header_over(root: bytes) -> bytes:
    return bytes(36) + root + bytes(12)


def plain_tx(salt: int, *, witness: bool = False) -> bytes:
    """A small chain tx; as nodes send it."""
    spent = TransactionInput(hashlib.sha256(b"%d" % salt).digest(), salt % 7)
    if witness:
        spent.witness.items = [bytes([salt % 256]) * 70, b"\x03" * 33]
    out = TransactionOutput(1_000 + salt, Script(b"\x00\x14" + salt.to_bytes(20, "big")))
    return bytes(Transaction(2, [spent], [out]).serialize())


def txid_of(raw: bytes) -> bytes:
    return bytes(Transaction.parse(raw).hash())


def proof_of(txs: list[bytes], position: int, block: bytes, height: int) -> TxProof:
    leaves = [txid_of(raw) for raw in txs]
    return TxProof(txs[position], block, height, position, branch_of(leaves, position), 0, "cold", 2, 0)
