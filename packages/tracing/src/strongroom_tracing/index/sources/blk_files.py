"""The files ``blk*.dat`` of a node: blocks in the order in which they came, forks and all.

Bitcoin Core from version 28 on veils them with the 8 bytes of ``xor.dat`` beside them. The best chain is the one with
the most work (the sum of 2^256 / (target + 1)), as for nodes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from strongroom_tracing.index.errors import SourceError
from strongroom_tracing.index.model import RawBlock, Tip
from strongroom_tracing.index.sources.records import STEADY, STEADY_SHARE, BlockFile, Place, Skipped, magic_of

KEY_FILE: Final = "xor.dat"
_NO_HASH: Final = bytes(32)
_TOLD: Final = 5  # places, of many that are passed over
_log = logging.getLogger(__name__)


class BlkFiles:
    """A folder of ``blk*.dat`` files, of a running node too: what is no whole block is passed over.

    ``skipped`` says where, and a warning is logged.
    """

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
        self.skipped: tuple[Skipped, ...] = ()
        places = self._scan(files)
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
            with BlockFile(file, self._key) as opened:
                for height, place in places:
                    raw = opened.read(place.at, place.size)
                    if len(raw) != place.size:
                        message = f"{file} became shorter while it was read"
                        raise SourceError(message)
                    yield RawBlock(height, self._chain[height - self.first_height][::-1].hex(), raw)

    def _scan(self, files: Sequence[Path]) -> dict[bytes, Place]:
        magic = magic_of(files, self._key)
        places: dict[bytes, Place] = {}
        for path in files:
            with BlockFile(path, self._key) as file:
                places.update(file.records(magic))
                self.skipped += tuple(file.skipped)
        if self.skipped:
            _log.warning(_told(self.skipped))
        return _steady(places) if magic in STEADY else places


def _steady(places: dict[bytes, Place]) -> dict[bytes, Place]:
    """Leave out blocks from behind gaps with too little work for where they claim to stand.

    Anybody can write a block with hardly any work into a chain tx; no node has such a one in its chain.
    """
    found = {}
    for own, place in places.items():
        before = places.get(place.previous)
        if not place.found or before is None or STEADY_SHARE * place.work >= before.work:
            found[own] = place
    return found


def _told(skipped: Sequence[Skipped]) -> str:
    """Say what was passed over, of many places the first ones."""
    some = ", ".join(f"{part.file.name} from byte {part.at} ({part.size} bytes)" for part in skipped[:_TOLD])
    more = f" and {len(skipped) - _TOLD} more places" if len(skipped) > _TOLD else ""
    return f"passed over what is no whole block in {some}{more}"


def _best(places: dict[bytes, Place]) -> list[bytes]:
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


def _unknown_path(places: dict[bytes, Place], total: dict[bytes, int], own: bytes) -> list[bytes]:
    """Give a block and those before it whose work is not summed up yet, newest first."""
    path = []
    while own in places and own not in total:
        path.append(own)
        own = places[own].previous
    return path


def _key_of(folder: Path) -> bytes:
    path = folder / KEY_FILE
    if not path.exists():
        return b"\0"
    key = path.read_bytes()
    if not key:
        message = f"{path} is empty; it should hold the key of the files beside it"
        raise SourceError(message)
    return key
