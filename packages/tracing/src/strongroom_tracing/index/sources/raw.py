"""Single blocks in files, with what they spend beside them where somebody kept it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom_tracing.index.errors import SourceError
from strongroom_tracing.index.model import RawBlock, Tip

_HEADER = 80
_NO_HASH: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class BlockFile:
    """A file of one block at a height, and the file of the outputs that it spends (see ``RawBlock.undo``)."""

    height: int
    raw: Path
    undo: Path | None = None


class RawFiles:
    """Some blocks of a chain; heights between them that nobody gave are gaps."""

    def __init__(self, chain: str, files: Sequence[BlockFile]) -> None:
        """Take the files of a chain (CAIP-2), in any order. Raises ``SourceError``."""
        self.chain = chain
        self._files = {file.height: file for file in files}
        if not self._files or len(self._files) != len(files):
            message = "name at least one block, and each height once"
            raise SourceError(message)
        self.first_height = min(self._files)

    def tip(self) -> Tip:
        """Give the last block. Raises ``SourceError``."""
        height = max(self._files)
        return Tip(height, self.hash_at(height) or _NO_HASH)

    def hash_at(self, height: int) -> str | None:
        """Give the hash of the block at a height, zeros for a gap, None beyond the ends. Raises ``SourceError``."""
        if not self.first_height <= height <= max(self._files):
            return None
        if height not in self._files:
            return _NO_HASH
        header = _read(self._files[height].raw)[:_HEADER]
        return hashlib.sha256(hashlib.sha256(header).digest()).digest()[::-1].hex()

    def blocks(self, first: int, last: int) -> Iterator[RawBlock]:
        """Give the blocks from one height to another. Raises ``SourceError``."""
        for height in range(first, last + 1):
            file = self._files.get(height)
            if file is None:
                yield RawBlock(height, "", b"")
            else:
                yield RawBlock(height, "", _read(file.raw), None if file.undo is None else _read(file.undo))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise SourceError(message) from error
