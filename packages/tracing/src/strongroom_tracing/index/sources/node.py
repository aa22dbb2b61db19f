"""A node of the bitcoin kind as a source, by JSON-RPC."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from strongroom_tracing.index.errors import SourceError
from strongroom_tracing.index.model import RawBlock, Tip
from strongroom_tracing.index.reading import LARGEST_VALUE
from strongroom_tracing.index.sources.rpc import NO_SUCH_HEIGHT, Rpc, RpcRefusal

_COIN: Final = 10**8  # base units
_HASHES_AT_ONCE: Final = 500
_WANTED_BYTES: Final = 8_000_000  # of raw blocks in one answer, which is twice that as text
_BLOCKS_AT_ONCE: Final = 256
_AS_HEX, _WITH_SPENT = 0, 3  # verbosity of getblock


class NodeSource:
    """The best chain of a node; works with a cookie file or a file of ``user:password``.

    With a ``first_height`` above 0 the index begins there, and the node is asked what each block spends (``getblock``
    with verbosity 3, which Bitcoin Core has from version 23 on), so that values from before are known.
    """

    def __init__(self, url: str, credentials: Path, *, first_height: int = 0) -> None:
        """Ask the node which chain it follows. Raises ``SourceError``."""
        self._rpc = Rpc(url, credentials)
        self.first_height = first_height
        try:
            genesis = str(self._rpc.call("getblockhash", 0))
        except SourceError:
            self._rpc.close()
            raise
        self.chain = f"bip122:{genesis[:32]}"

    def close(self) -> None:
        """Close the connection."""
        self._rpc.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tip(self) -> Tip:
        """Give the last block of the node's best chain. Raises ``SourceError``."""
        known = self._rpc.call("getblockchaininfo")
        return Tip(int(known["blocks"]), str(known["bestblockhash"]))

    def hash_at(self, height: int) -> str | None:
        """Give the hash of the block at a height, None beyond the tip. Raises ``SourceError``."""
        try:
            return str(self._rpc.call("getblockhash", height))
        except RpcRefusal as refusal:
            if refusal.number == NO_SUCH_HEIGHT:
                return None
            raise

    def blocks(self, first: int, last: int) -> Iterator[RawBlock]:
        """Give the blocks from one height to another. Raises ``SourceError``."""
        at_once = 1
        for start in range(first, last + 1, _HASHES_AT_ONCE):
            heights = range(start, min(start + _HASHES_AT_ONCE, last + 1))
            hashes = [str(own) for own in self._rpc.calls("getblockhash", [(height,) for height in heights])]
            place = 0
            while place < len(hashes):
                blocks = self._some(start + place, hashes[place : place + at_once])
                yield from blocks
                place += len(blocks)
                at_once = _next_count(at_once, sum(len(block.raw) for block in blocks))

    def _some(self, height: int, hashes: list[str]) -> list[RawBlock]:
        raw = [bytes.fromhex(text) for text in self._rpc.calls("getblock", [(own, _AS_HEX) for own in hashes])]
        undo = [self._spent(own) if self.first_height else None for own in hashes]
        return [RawBlock(height + n, own, raw[n], undo[n]) for n, own in enumerate(hashes)]

    def _spent(self, own: str) -> bytes | None:
        """Give what a block spends, None where the node does not say."""
        block = self._rpc.call("getblock", own, _WITH_SPENT)
        spent = [entry for tx in block["tx"] for entry in tx["vin"] if "coinbase" not in entry]
        if not all("prevout" in entry for entry in spent):
            return None
        return b"".join(_output(own, entry["prevout"]) for entry in spent)


def _next_count(count: int, size: int) -> int:
    """Ask for more blocks at once while they are small, for fewer when they are large."""
    if size > _WANTED_BYTES:
        return max(count // 2, 1)
    return min(count * 2, _BLOCKS_AT_ONCE) if size < _WANTED_BYTES // 2 else count


def _output(own: str, prevout: dict[str, Any]) -> bytes:
    """Write an output as in a chain tx: value, length of the script, script."""
    said = prevout["value"]
    value = Decimal(said) * _COIN if isinstance(said, Decimal | int) else Decimal(-1)
    if not 0 <= value <= LARGEST_VALUE or value != int(value):
        message = f"the node gave {said} as the value of an output that block {own} spends; no output can have it"
        raise SourceError(message)
    script = bytes.fromhex(prevout["scriptPubKey"]["hex"])
    return int(value).to_bytes(8, "little") + _size(len(script)) + script


def _size(number: int) -> bytes:
    """Write a length (CompactSize)."""
    if number < 0xFD:  # noqa: PLR2004 -- the encoding's own border
        return bytes([number])
    return b"\xfd" + number.to_bytes(2, "little") if number < 1 << 16 else b"\xfe" + number.to_bytes(4, "little")
