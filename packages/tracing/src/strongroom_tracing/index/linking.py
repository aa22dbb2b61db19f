"""Whether blocks follow each other."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom_tracing.columns import Columns
from strongroom_tracing.index.errors import BadBlockError, ChainMovedError
from strongroom_tracing.index.model import RawBlock
from strongroom_tracing.index.parsing import Parsed


def check_links(before: Columns, blocks: Sequence[RawBlock], parsed: Parsed) -> None:
    """Check that each block follows the one before it, up to gaps, and has the hash it is said to have.

    Raises ``BadBlockError``.
    """
    height = before.first_height + before.blocks
    last = before.block_hash[-1:].tobytes()
    for number, block in enumerate(blocks):
        own, previous = parsed.block_hash[number].tobytes(), parsed.previous_hash[number].tobytes()
        if block.height != height + number:
            message = f"block {block.height} came where {height + number} was due; the source of blocks is broken"
            raise BadBlockError(message)
        if block.hash and not block.raw:  # a gap has no hash: a source that names a block has to show it
            message = f"block {block.height}, announced as {block.hash}, came without its bytes"
            raise BadBlockError(message)
        if block.raw and block.hash and own[::-1].hex() != block.hash:
            message = f"block {block.height} was announced as {block.hash} but is {own[::-1].hex()}"
            raise BadBlockError(message)
        if block.raw and any(last) and previous != last:
            message = (
                f"block {block.height} does not follow the one before it; the chain changed meanwhile, or is broken"
            )
            raise ChainMovedError(message)
        last = own


def with_gaps(blocks: Sequence[RawBlock]) -> list[RawBlock]:
    """Fill the heights that are missing between blocks, which are in ascending order, with gaps."""
    filled: list[RawBlock] = []
    for block in blocks:
        while filled and filled[-1].height + 1 < block.height:
            filled.append(RawBlock(filled[-1].height + 1, "", b""))
        filled.append(block)
    return filled
