"""Blocks made by hand, byte by byte, for tests of the index: real in form, without proof of work."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from strongroom_core.assets import BITCOIN_REGTEST
from strongroom_tracing.index.model import RawBlock, Tip

NO_HASH = bytes(32)
EASY_BITS = 0x207FFFFF


def dsha(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def size(number: int) -> bytes:
    if number < 0xFD:
        return bytes([number])
    return b"\xfd" + number.to_bytes(2, "little") if number < 1 << 16 else b"\xfe" + number.to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class Made:
    """A chain tx: as it stands in a block, and its txid in wire order."""

    raw: bytes
    txid: bytes
    outputs: int


def made_tx(
    inputs: Sequence[tuple[bytes, int]],
    outputs: Sequence[tuple[int, bytes]],
    *,
    witness: bool = False,
    hogex: bool = False,
    unlock: bytes = b"\x51",
) -> Made:
    body = size(len(inputs))
    for txid, vout in inputs:
        body += txid + vout.to_bytes(4, "little") + size(len(unlock)) + unlock + b"\xff\xff\xff\xff"
    body += size(len(outputs))
    for value, script in outputs:
        body += value.to_bytes(8, "little") + size(len(script)) + script
    version, lock_time = (2).to_bytes(4, "little"), bytes(4)
    flags = witness | hogex << 3
    before = bytes([0, flags]) if flags else b""
    witnesses = (b"\x02\x03abc" + size(300) + bytes(300)) * len(inputs) if witness else b""
    raw = version + before + body + witnesses + (b"\0" if hogex else b"") + lock_time
    return Made(raw, dsha(version + body + lock_time), len(outputs))


def made_coinbase(height: int, *outputs: tuple[int, bytes], extra: bytes = b"") -> Made:
    return made_tx([(NO_HASH, 0xFFFFFFFF)], outputs, unlock=height.to_bytes(4, "little") + extra)


def merkle_root(txids: Sequence[bytes]) -> bytes:
    level = list(txids)
    while len(level) > 1:
        level += level[-1:] * (len(level) % 2)
        level = [dsha(level[i] + level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


def made_block(
    previous: bytes,
    txs: Sequence[Made],
    *,
    time: int = 0,
    nonce: int = 0,
    root: bytes | None = None,
    tail: bytes = b"",
    bits: int = EASY_BITS,
) -> bytes:
    header = (4).to_bytes(4, "little") + previous + (root or merkle_root([tx.txid for tx in txs]))
    header += b"".join(number.to_bytes(4, "little") for number in (time, bits, nonce))
    return header + size(len(txs)) + b"".join(tx.raw for tx in txs) + tail


def hash_of(raw: bytes) -> bytes:
    return dsha(raw[:80])


def is_mined(raw: bytes) -> bool:
    return int.from_bytes(hash_of(raw), "little") <= 0x7FFFFF << 232  # what EASY_BITS stand for


@dataclass
class ChainMaker:
    """Makes a chain of random payments; the same seed makes the same chain. ``fork`` goes on from an earlier block.

    With ``mined`` the blocks carry the (little) work of their headers.
    """

    seed: int = 0
    blocks: list[bytes] = field(default_factory=list)
    unspent: list[tuple[bytes, int, int]] = field(default_factory=list)
    history: list[list[tuple[bytes, int, int]]] = field(default_factory=list)
    mined: bool = False

    def extend(self, blocks: int, *, payments: int = 5) -> ChainMaker:
        random_ = random.Random(f"{self.seed} {len(self.blocks)}")
        for _ in range(blocks):
            self._add(random_, payments)
        return self

    def fork(self, height: int, seed: int) -> ChainMaker:
        """Give another chain that has the blocks up to a height."""
        kept = height + 1
        return ChainMaker(seed, self.blocks[:kept], list(self.history[kept - 1]), self.history[:kept], mined=self.mined)

    def raw_blocks(self) -> list[RawBlock]:
        return [RawBlock(height, hash_of(raw)[::-1].hex(), raw) for height, raw in enumerate(self.blocks)]

    def _add(self, random_: random.Random, payments: int) -> None:
        height = len(self.blocks)
        extra = self.seed.to_bytes(4, "little")
        txs = [made_coinbase(height, (5_000_000_000, _script(random_)), extra=extra)]
        fresh = [(txs[0].txid, 0, 5_000_000_000)]
        for _ in range(random_.randrange(payments + 1)):
            if not self.unspent:
                break
            random_.shuffle(self.unspent)
            count = min(random_.randrange(1, 4), len(self.unspent))
            spent, self.unspent = self.unspent[:count], self.unspent[count:]
            total, outputs = sum(value for _, _, value in spent), []
            for _ in range(random_.randrange(1, 4)):
                outputs.append((random_.randrange(total + 1), _script(random_)))
                total -= outputs[-1][0]
            tx = made_tx([(txid, vout) for txid, vout, _ in spent], outputs, witness=random_.random() < 0.5)
            txs.append(tx)
            # Spendable at once: chain txs of one block spend each other's outputs.
            self.unspent += [(tx.txid, vout, value) for vout, (value, _) in enumerate(outputs)]
        self.unspent += fresh
        previous = hash_of(self.blocks[-1]) if self.blocks else NO_HASH
        nonce = 0
        while self.mined and not is_mined(made_block(previous, txs, time=height * 600, nonce=nonce)):
            nonce += 1
        self.blocks.append(made_block(previous, txs, time=height * 600, nonce=nonce))
        self.history.append(list(self.unspent))


@dataclass
class ListSource:
    """A source of the blocks of a maker, as a node would be; counts what it was asked for."""

    maker: ChainMaker
    chain: str = BITCOIN_REGTEST.id
    first_height: int = 0
    given: list[int] = field(default_factory=list)

    def tip(self) -> Tip:
        block = self.maker.raw_blocks()[-1]
        return Tip(block.height, block.hash)

    def hash_at(self, height: int) -> str | None:
        return hash_of(self.maker.blocks[height])[::-1].hex() if 0 <= height < len(self.maker.blocks) else None

    def blocks(self, first: int, last: int):
        for block in self.maker.raw_blocks()[first : last + 1]:
            self.given.append(block.height)
            yield block


def _script(random_: random.Random) -> bytes:
    kind, who = random_.randrange(5), random_.randrange(40).to_bytes(20, "little")
    if kind == 0:
        return b"\x6a" + size(5) + who[:5]
    return (
        b"\x76\xa9\x14" + who + b"\x88\xac",
        b"\xa9\x14" + who + b"\x87",
        b"\0\x14" + who,
        b"\x51\x20" + bytes(12) + who,
    )[kind - 1]
