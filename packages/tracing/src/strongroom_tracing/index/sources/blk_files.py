"""The files ``blk*.dat`` of a node: blocks in the order in which they came, forks and all.

Bitcoin Core from version 28 on veils them with the 8 bytes of ``xor.dat`` beside them. Each record is the network's
magic, the length, the block. The best chain is the one with the most work (the sum of 2^256 / (target + 1)), as for
nodes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import IO, Final

from strongroom_tracing.index.errors import SourceError
from strongroom_tracing.index.model import RawBlock, Tip

KEY_FILE: Final = "xor.dat"
_HEADER = 80
_RECORD = 8  # magic and length
_NO_HASH = bytes(32)
_LARGEST_BLOCK = 32_000_000  # beyond every chain's limit; a longer record is no record


@dataclass(frozen=True, slots=True)
class _Place:
    file: Path
    at: int
    size: int
    previous: bytes
    work: int


class BlkFiles:
    """A folder of ``blk*.dat`` files, of a running node too: what it has not yet written wholly is passed over."""

    def __init__(self, folder: Path, *, chain: str | None = None, first_height: int = 0) -> None:
        """Find the best chain.

        Where a node pruned older blocks, name the chain (CAIP-2) and the height of the oldest one.
        Raises ``SourceError``.
        """
        self.first_height = first_height
        self._key = _key_of(folder)
        files = sorted(folder.glob("blk*.dat"))
        if not files:
            message = f"there are no blk*.dat files in {folder}"
            raise SourceError(message)
        places = {own: place for file in files for own, place in self._records(file)}
        self._chain = _best(places)
        self._places = [places[own] for own in self._chain]
        if chain is None and self._places[0].previous != _NO_HASH:
            message = f"the oldest block in {folder} is not the first of its chain; name the chain and its height"
            raise SourceError(message)
        self.chain = chain or f"bip122:{self._chain[0][::-1].hex()[:32]}"

    def tip(self) -> Tip:
        """Give the last block of the best chain."""
        return Tip(self.first_height + len(self._chain) - 1, self._chain[-1][::-1].hex())

    def hash_at(self, height: int) -> str | None:
        """Give the hash of the block at a height, None beyond the ends."""
        place = height - self.first_height
        return self._chain[place][::-1].hex() if 0 <= place < len(self._chain) else None

    def blocks(self, first: int, last: int) -> Iterator[RawBlock]:
        """Give the blocks from one height to another. Raises ``SourceError``."""
        begin = first - self.first_height
        numbered = enumerate(self._places[begin : last - self.first_height + 1], first)
        for file, places in groupby(numbered, key=lambda numbered: numbered[1].file):
            with _opened(file) as opened:
                for height, place in places:
                    raw = self._read(opened, place.at, place.size)
                    if len(raw) != place.size:
                        message = f"{file} became shorter while it was read"
                        raise SourceError(message)
                    yield RawBlock(height, self._chain[height - self.first_height][::-1].hex(), raw)

    def _records(self, path: Path) -> Iterator[tuple[bytes, _Place]]:
        at, end = 0, path.stat().st_size
        with _opened(path) as file:
            magic = self._read(file, 0, 4)
            while at + _RECORD + _HEADER <= end:
                head = self._read(file, at, _RECORD + _HEADER)
                size = int.from_bytes(head[4:8], "little")
                # Nodes make room in advance (zeros, not veiled), and may be writing the last record just now.
                if (
                    head[:4] != magic
                    or not any(magic)
                    or not _HEADER < size <= _LARGEST_BLOCK
                    or at + _RECORD + size > end
                ):
                    break
                header = head[_RECORD:]
                own = hashlib.sha256(hashlib.sha256(header).digest()).digest()
                yield own, _Place(path, at + _RECORD, size, header[4:36], _work(header))
                at += _RECORD + size

    def _read(self, file: IO[bytes], at: int, size: int) -> bytes:
        file.seek(at)
        data = file.read(size)
        if not any(self._key):
            return data
        turned = self._key[at % len(self._key) :] + self._key[: at % len(self._key)]
        veil = (turned * (len(data) // len(turned) + 1))[: len(data)]
        return (int.from_bytes(data) ^ int.from_bytes(veil)).to_bytes(len(data))


def _best(places: dict[bytes, _Place]) -> list[bytes]:
    """Give the hashes of the chain with the most work, oldest first; of two, the one whose last block came first."""
    total: dict[bytes, int] = {}
    for own in places:
        path: Sequence[bytes] = _unknown_path(places, total, own)
        for step in reversed(path):
            total[step] = total.get(places[step].previous, 0) + places[step].work
    if not total:
        message = "there is no block in the files"
        raise SourceError(message)
    own = max(total, key=lambda own: total[own])
    chain = []
    while own in places:
        chain.append(own)
        own = places[own].previous
    return chain[::-1]


def _unknown_path(places: dict[bytes, _Place], total: dict[bytes, int], own: bytes) -> list[bytes]:
    """Give a block and those before it whose work is not summed up yet, newest first."""
    path = []
    while own in places and own not in total:
        path.append(own)
        own = places[own].previous
    return path


def _work(header: bytes) -> int:
    bits = int.from_bytes(header[72:76], "little")
    exponent, mantissa = bits >> 24, bits & 0x7FFFFF
    target = mantissa << 8 * (exponent - 3) if exponent >= 3 else mantissa >> 8 * (3 - exponent)  # noqa: PLR2004 -- bytes of the mantissa
    return (1 << 256) // (target + 1)


def _key_of(folder: Path) -> bytes:
    path = folder / KEY_FILE
    if not path.exists():
        return b"\0"
    key = path.read_bytes()
    if not key:
        message = f"{path} is empty; it should hold the key of the files beside it"
        raise SourceError(message)
    return key


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise SourceError(message) from error
