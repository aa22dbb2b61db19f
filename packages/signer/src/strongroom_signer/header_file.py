"""The headers of the agreed chain on the disk: 80 bytes each, from the checkpoint on; checked again at each start."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from strongroom_signer.files import PRIVATE_FILE
from strongroom_signer.headers import HEADER_BYTES, Header, HeaderError, HeaderTree

if TYPE_CHECKING:
    from pathlib import Path

#: Stored headers were new once; a clock that was set back since makes none of them wrong.
_ANY_TIME: Final = 2**33


class HeaderFile:
    """The file, or nothing where there is no path; it saves time, and is believed no more than a node."""

    def __init__(self, path: Path | None) -> None:
        """Touch nothing yet."""
        self._path = path
        self._written: list[Header] = []

    def read(self, tree: HeaderTree) -> list[Header]:
        """Give the stored chain from the checkpoint on, as far as it is right; ``tree`` holds it then."""
        chain, data = [tree.root], self._read()
        if data[:HEADER_BYTES] != tree.root.raw:
            return chain
        with contextlib.suppress(HeaderError):
            for at in range(HEADER_BYTES, len(data) - HEADER_BYTES + 1, HEADER_BYTES):
                header = tree.add(data[at : at + HEADER_BYTES], _ANY_TIME)
                if header.parent != chain[-1].hash:
                    break
                chain.append(header)
        self._written = list(chain)
        return chain

    def _read(self) -> bytes:
        with contextlib.suppress(OSError):
            return self._path.read_bytes() if self._path is not None else b""
        return b""

    def write(self, chain: list[Header]) -> None:
        """Let the file hold this chain; what it holds of it already stays. Raises ``OSError``."""
        if self._path is None or (len(self._written) == len(chain) and self._written[-1] is chain[-1]):
            return
        same = min(len(self._written), len(chain))
        while same and self._written[same - 1].hash != chain[same - 1].hash:
            same -= 1
        self._written = self._written[:same]
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as file:
            file.seek(same * HEADER_BYTES)
            file.write(b"".join(header.raw for header in chain[same:]))
            file.truncate()
        self._written = list(chain)
