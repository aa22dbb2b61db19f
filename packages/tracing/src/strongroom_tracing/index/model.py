"""What an index is fed with and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Progress = Callable[[int, int], None]
"""Told how much of how much is done: of an index, blocks."""


class Tip(NamedTuple):
    """The last block of a chain: its height and its hash as people write it."""

    height: int
    hash: str


@dataclass(frozen=True, slots=True)
class RawBlock:
    """One block as nodes send it.

    ``hash`` is as people write it. ``undo`` holds the outputs that the block spends, in the order of its inputs and
    without the coinbase's: 8 bytes of value, the length of the script, the script (the encoding of an output in a chain
    tx). Without it, the values of outputs from before the index are unknown. A block of no bytes is a gap: nobody gave
    us the block at that height.
    """

    height: int
    hash: str
    raw: bytes
    undo: bytes | None = None


class BlockSource(Protocol):
    """Where blocks come from."""

    @property
    def chain(self) -> str:
        """The CAIP-2 id of the chain."""

    @property
    def first_height(self) -> int:
        """The height at which a new index begins; 0 for whole chains."""

    def tip(self) -> Tip:
        """Give the last block of the best chain. Raises ``SourceError``."""

    def hash_at(self, height: int) -> str | None:
        """Give the hash of the block at a height of the best chain, None beyond its ends. Raises ``SourceError``."""

    def blocks(self, first: int, last: int) -> Iterator[RawBlock]:
        """Give the blocks of the best chain from one height to another, both included. Raises ``SourceError``."""


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """How far an index has come; ``tip`` is None while it is empty, ``stored_bytes`` is what its files take."""

    chain: str
    first_height: int
    tip: Tip | None
    blocks: int
    txs: int
    inputs: int
    outputs: int
    addresses: int
    parquet_through: int
    stored_bytes: int
