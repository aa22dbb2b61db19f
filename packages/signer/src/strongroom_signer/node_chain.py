"""How far one node's best chain was read and checked, and what is wrong with the node."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from strongroom_signer.bitcoin_nodes import NodeError
from strongroom_signer.headers import MAX_REORG, DetachedHeaderError, FutureHeaderError, Header, HeaderError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_core.assets import Chain
    from strongroom_signer.bitcoin_nodes import BitcoinNode
    from strongroom_signer.headers import HeaderTree

BATCH: Final = 1_000
#: How far above the agreed block a node's chain is read; what one node alone tells must not fill the memory.
MAX_AHEAD: Final = 2 * MAX_REORG


class NodeState(StrEnum):
    """Whether a node counts: it answers, it is silent for now, or it lies and stops everything."""

    ANSWERS = "answers"
    SILENT = "silent"
    LIES = "lies"


class NodeChain:
    """One node; ``tip`` is the last header of its best chain that was read, ``whole`` whether that is its best."""

    def __init__(self, node: BitcoinNode, chain: Chain, tree: HeaderTree) -> None:
        """Ask nothing yet."""
        self.name = node.name
        self.state = NodeState.SILENT
        self.trouble = "not asked yet"
        self.tip: Header | None = None
        self.whole = False
        self._node = node
        self._genesis = chain.id.partition(":")[2]
        self._tree = tree

    def refresh(self, agreed: Header, now: int) -> None:
        """Ask the node and read on; nothing is raised, ``state`` and ``trouble`` say what happened."""
        try:
            self._read(agreed, now)
            state, trouble = NodeState.ANSWERS, ""
        except (NodeError, DetachedHeaderError, FutureHeaderError) as error:
            # Later it may be right: it was down, it changed its chain while it was read, or a clock is wrong.
            state, trouble = NodeState.SILENT, error.message
        except HeaderError as error:
            state, trouble = NodeState.LIES, error.message
        self.state, self.trouble = state, trouble
        self.whole = self.whole and state is NodeState.ANSWERS

    def _read(self, agreed: Header, now: int) -> None:
        self.whole = False
        first, best = self._node.tip()
        if not first[::-1].hex().startswith(self._genesis):
            message = "it is a node of another chain"
            raise HeaderError(message)
        known = self._tree.get(best)
        if known is None:
            height = self._node.height()
            known = self._read_on(self._start(agreed, height), min(height, agreed.height + MAX_AHEAD), now)
        self.tip, self.whole = known, known.hash == best

    def _read_on(self, last: Header, height: int, now: int) -> Header:
        for first in range(last.height + 1, height + 1, BATCH):
            blocks = self._node.hashes(range(first, min(first + BATCH, height + 1)))
            for raw in self._node.headers(blocks):
                header = self._tree.add(raw, now)
                if header.parent != last.hash:
                    message = "its chain changed while it was read"
                    raise DetachedHeaderError(message)
                last = header
        return last

    def _start(self, agreed: Header, height: int) -> Header:
        """Give the last header of the node's chain that is known already, near enough to it."""
        root = self._tree.root
        if height < root.height:
            message = f"it has no block of the checkpoint's height yet, only {height}"
            raise NodeError(message)
        for at in _steps_back(min(agreed.height, height), root.height):
            (block,) = self._node.hashes([at])
            known = self._tree.get(block)
            if known is not None and known.height == at:
                return known
        message = f"its chain leaves ours more than {MAX_REORG} blocks back, or lacks the checkpoint"
        raise HeaderError(message)


def _steps_back(start: int, root: int) -> Iterator[int]:
    """Give heights to compare at: one back, two, four, and so on, and the lowest that may be."""
    lowest, step = max(root, start - MAX_REORG), 0
    while start - step > lowest:
        yield start - step
        step = step * 2 or 1
    yield lowest
