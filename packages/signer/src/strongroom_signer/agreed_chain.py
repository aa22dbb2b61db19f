"""The chain of most work that enough nodes ever agreed on, and how much of it no node disputes now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom_signer.headers import Header, HeaderTree


class AgreedChain:
    """Headers by height, from the checkpoint to ``best``; those after ``tip`` are disputed and not given out."""

    def __init__(self, tree: HeaderTree, chain: list[Header]) -> None:
        """Start from a chain that begins with the tree's checkpoint."""
        self.chain = chain
        self.tip = chain[-1]
        self._tree = tree
        self._blocks = {header.hash for header in chain}

    @property
    def best(self) -> Header:
        """The end of the chain, disputed or not."""
        return self.chain[-1]

    def at(self, height: int) -> Header | None:
        """Give the undisputed header of a height."""
        place = height - self.chain[0].height
        return self.chain[place] if place >= 0 and height <= self.tip.height else None

    def find(self, block: bytes) -> Header | None:
        """Give the undisputed header of a hash."""
        header = self._tree.get(block) if block in self._blocks else None
        return header if header is not None and header.height <= self.tip.height else None

    def follow(self, tips: Sequence[Header], wanted: int) -> None:
        """Grow to the highest block that ``wanted`` of the tips stand on and none disputes, if it has more work."""
        top = max(tips, key=lambda tip: tip.height)
        undisputed = min((self._last_shared(top, tip) for tip in tips), key=lambda header: header.height)
        height = sorted((min(tip.height, undisputed.height) for tip in tips), reverse=True)[wanted - 1]
        common = self._tree.ancestor(undisputed, height)
        if common is not None and common.work > self.best.work:
            self._move(common)
        self.tip = min((self._last_shared(self.best, tip) for tip in tips), key=lambda header: header.height)

    def dispute(self, tips: Sequence[Header]) -> tuple[Header, Header]:
        """Give the highest block that a node has or that was agreed, and the last below it that nobody disputes."""
        top = max((*tips, self.best), key=lambda tip: tip.height)
        shared = [self._last_shared(top, tip) for tip in (*tips, self.best)]
        return top, min(shared, key=lambda header: header.height)

    def _last_shared(self, one: Header, other: Header) -> Header:
        """Give the last header of the chain to ``one`` that the chain to ``other`` does not dispute."""
        fork = self._tree.fork(one, other)
        return one if fork.hash == other.hash else fork

    def _move(self, best: Header) -> None:
        branch = []
        for header in self._tree.back(best):
            if header.hash in self._blocks:
                break
            branch.append(header)
        keep = best.height - len(branch) - self.chain[0].height + 1
        self._blocks.difference_update(header.hash for header in self.chain[keep:])
        self.chain[keep:] = reversed(branch)
        self._blocks.update(header.hash for header in branch)
