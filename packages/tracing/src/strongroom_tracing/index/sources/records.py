"""The records in a node's ``blk*.dat``: the network's magic, the length, the block; whole ones only.

Between records there may be room made in advance (zeros) and, after a crash, the rest of what was written there before:
as Bitcoin Core does with -reindex, whatever is no record is passed over up to the next magic. A record is taken unread
only where one follows the other without a gap. Before a gap, a block has to be whole: its chain txs are those of its
merkle root. From one on every block also has to carry the work of its header, since a magic may stand inside of a
block, where anybody can have written it, and another one behind it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from strongroom_tracing.index.errors import BadBlockError, SourceError
from strongroom_tracing.index.model import RawBlock
from strongroom_tracing.index.parsing import parse
from strongroom_tracing.index.reading import HEADER_BYTES

RECORD_BYTES: Final = 8  # magic and length
# For files of which none begins with a whole block: Bitcoin's networks (main, test 3 and 4, sign, regtest), Litecoin's.
MAGICS: Final = tuple(
    map(bytes.fromhex, ("f9beb4d9", "0b110907", "1c163f28", "0a03cf40", "fabfb5da", "fbc0b6db", "fdd2c8f1"))
)
# Of those, whose work is by scrypt alone, whose by SHA-256 twice alone; of others by either.
_BY_SCRYPT: Final = MAGICS[5:]
_BY_SHA256: Final = MAGICS[:4]
# Where a block has at least a quarter of the work of the one before it: the test networks let anybody go below that.
STEADY: Final = (MAGICS[0], MAGICS[5])
STEADY_SHARE: Final = 4
_HEAD: Final = RECORD_BYTES + HEADER_BYTES
_LARGEST_BLOCK: Final = 32_000_000  # beyond every chain's limit; a longer record is no record
_LEAST_BLOCK: Final = HEADER_BYTES + 1
_PIECE: Final = 1 << 20  # bytes that are searched at a time


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block stands, and what its header says; ``found``: behind a gap of its file, where anybody may write."""

    file: Path
    at: int
    size: int
    previous: bytes
    work: int
    found: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """Bytes of a file that are no whole block, and not zeros alone."""

    file: Path
    at: int
    size: int


class BlockFile:
    """One of the files, opened for reading; Bitcoin Core from version 28 on veils them with a key."""

    def __init__(self, path: Path, key: bytes) -> None:
        """Open the file. Raises ``SourceError``."""
        self.path = path
        self._key = key
        self.skipped: list[Skipped] = []
        try:
            self._file = path.open("rb")
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}"
            raise SourceError(message) from error
        self._end = self._file.seek(0, 2)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, at: int, size: int) -> bytes:
        """Read bytes as they were before they were veiled; fewer at the file's end."""
        data = self._veiled(at, size)
        if not any(self._key):
            return data
        turned = self._key[at % len(self._key) :] + self._key[: at % len(self._key)]
        veil = (turned * (len(data) // len(turned) + 1))[: len(data)]
        return (int.from_bytes(data) ^ int.from_bytes(veil)).to_bytes(len(data))

    def records(self, magic: bytes) -> Iterator[tuple[bytes, Place]]:
        """Give the hash and the place of every whole block, in the order of the file; note what is passed over."""
        at: int | None = 0
        follows = True  # the record before, or the file's beginning
        gap = False  # somewhere before, in this file
        head = self.read(0, _HEAD)
        while at is not None and len(head) == _HEAD:
            size = self._size(at, head, magic)
            after = self.read(at + RECORD_BYTES + size, _HEAD) if size else b""
            taken = size and (not gap or carries_work(head[RECORD_BYTES:], magic))
            if taken and self._is_whole(at, size, unread=follows and after[:4] == magic):
                header = head[RECORD_BYTES:]
                yield twice(header), Place(self.path, at + RECORD_BYTES, size, header[4:36], work(header), gap)
                at, head, follows = at + RECORD_BYTES + size, after, True
                continue
            begin, at, follows, gap = at, self._find(magic, at + 1), False, True
            self._skip(begin, self._end if at is None else at)
            head = b"" if at is None else self.read(at, _HEAD)
        if at is not None:
            self._skip(at, self._end)

    def first_magic(self) -> bytes | None:
        """Give the magic that the file begins with, None if no whole block follows it."""
        head = self.read(0, _HEAD)
        size = self._size(0, head, head[:4])
        return head[:4] if size and self._is_whole(0, size, unread=False) else None

    def holds(self, magic: bytes) -> bool:
        """Whether a magic stands anywhere in the file."""
        return self._find(magic, 0) is not None

    def _size(self, at: int, head: bytes, magic: bytes) -> int:
        """Give the length of a block, 0 where no record is or one that is longer than the file."""
        if head[:4] != magic or not any(magic):
            return 0
        size = int.from_bytes(head[4:RECORD_BYTES], "little")
        fits = _LEAST_BLOCK <= size <= _LARGEST_BLOCK and at + RECORD_BYTES + size <= self._end
        return size if fits else 0

    def _is_whole(self, at: int, size: int, *, unread: bool) -> bool:
        if unread:
            return True
        try:
            parse([RawBlock(0, "", self.read(at + RECORD_BYTES, size))])
        except BadBlockError:
            return False
        return True

    def _find(self, magic: bytes, at: int) -> int | None:
        while at < self._end:
            found = self.read(at, _PIECE).find(magic)
            if found >= 0:
                return at + found
            at += _PIECE - len(magic) + 1
        return None

    def _skip(self, begin: int, end: int) -> None:
        """Note what is passed over, without zeros at its ends."""
        first, last = -1, -1
        for at in range(begin, end, _PIECE):
            data = self._veiled(at, min(_PIECE, end - at))
            if rest := data.lstrip(b"\0"):
                first = at + len(data) - len(rest) if first < 0 else first
                last = at + len(data.rstrip(b"\0"))
        if first >= 0:
            self.skipped.append(Skipped(self.path, first, last - first))

    def _veiled(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        return self._file.read(size)


def magic_of(files: Sequence[Path], key: bytes) -> bytes:
    """Find the magic of some files: what one of them begins with, else one that is known. Raises ``SourceError``."""
    for path in files:
        with BlockFile(path, key) as file:
            if (magic := file.first_magic()) is not None:
                return magic
    for magic in MAGICS:
        for path in files:
            with BlockFile(path, key) as file:
                if file.holds(magic):
                    return magic
    message = "there is no block in the files"
    raise SourceError(message)


def twice(data: bytes) -> bytes:
    """Hash twice with SHA-256."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def work(header: bytes) -> int:
    """Give the work that a header claims: 2^256 / (target + 1)."""
    return (1 << 256) // (_target(header) + 1)


def carries_work(header: bytes, magic: bytes) -> bool:
    """Whether a header has the work that it claims: by SHA-256 twice (Bitcoin) or by scrypt (Litecoin)."""
    target = _target(header)
    if magic not in _BY_SCRYPT and int.from_bytes(twice(header), "little") <= target:
        return True
    if magic in _BY_SHA256:
        return False
    return int.from_bytes(hashlib.scrypt(header, salt=header, n=1024, r=1, p=1, dklen=32), "little") <= target


def _target(header: bytes) -> int:
    bits = int.from_bytes(header[72:76], "little")
    exponent, mantissa = bits >> 24, bits & 0x7FFFFF
    return mantissa << 8 * (exponent - 3) if exponent >= 3 else mantissa >> 8 * (3 - exponent)  # noqa: PLR2004 -- bytes of the mantissa
