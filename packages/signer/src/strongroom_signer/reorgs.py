"""Which proven deposits stand in blocks that the signer's own view of the chain no longer has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from strongroom_signer.model import UNSEEN, Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom_signer.balances import Balances, Block
    from strongroom_signer.views import View

#: Deeper than a header view ever follows a reorg (``headers.MAX_REORG``).
REORG_HEIGHTS: Final = 2016
#: Final blocks that the nodes are asked about at once, so that a start with many deposits leaves time for refreshes.
MAX_FINAL: Final = 256


def seen(view: View | None) -> Seen:
    """Give what the rules may know of a view."""
    return Seen(view.height, view.trouble) if view is not None else UNSEEN


@dataclass(slots=True)
class Watch:
    """Looks whether the blocks with live deposits of one chain still stand in their places; all of them at a start.

    On a chain whose blocks are ``final`` to have seen one once is enough. Elsewhere those that a reorg can reach are
    looked at again and again, once all have been seen since the start.
    """

    chain: str
    final: bool
    _seen: set[Block] = field(default_factory=set)
    _all_seen: bool = False

    def due(self, money: Balances, tip: int) -> list[Block]:
        """Give the blocks to look at, the highest first."""
        if self.final or not self._all_seen:
            return [block for block in reversed(money.blocks(self.chain, -1)) if block not in self._seen]
        return money.blocks(self.chain, tip - REORG_HEIGHTS)[::-1]

    def departed(self, view: View, blocks: Sequence[Block]) -> set[Block]:
        """Give those in whose place the agreed chain has another; a height that nothing is agreed at says nothing."""
        agreed = [(block, view.block(block[0])) for block in blocks]
        gone = {block for block, found in agreed if found is not None and found.hex() != block[1]}
        if self.final:
            self._seen |= {block for block, found in agreed if found is not None} - gone
        else:
            self._all_seen = self._all_seen or all(found is not None and block not in gone for block, found in agreed)
        return gone
