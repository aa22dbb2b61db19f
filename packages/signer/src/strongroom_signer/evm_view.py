"""What this signer believes of an EVM chain: finalized blocks on which its own nodes agree and that none contradicts.

A node that is silent or behind is waited for; nodes that contradict each other stop the signing of this chain until
they agree again. A finalized block that changes stops it until the signer is started anew: nothing here can say which
was right, and what was credited by it has to be looked at first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strongroom_core.refusals import RefusalTag
from strongroom_signer.errors import RefusedError
from strongroom_signer.evm_nodes import NodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from strongroom_signer.evm_nodes import Block, EvmNode
    from strongroom_signer.safe_policy import SafePolicy

    _Question = Callable[[EvmNode], Block | None]

# Hashes kept, so that proofs of one block ask the nodes once.
MAX_KEPT: Final = 4096
# Proofs name the blocks, and each refresh asks about every dispute anew: the first of them stop the chain as all would.
MAX_DISPUTES: Final = 16
# How many blocks that are not kept one request may make this signer ask its nodes about.
MAX_ASKED: Final = 32
#: On a main network nodes whose finalized block is older than this are cut off from it, or it stands still: a signer
#: that sees nothing new must not go on as if nothing happened. Ethereum's is some fifteen minutes old.
MAX_AGE_SECONDS: Final = 7_200


@dataclass(frozen=True, slots=True)
class _Agreement:
    """The newest agreed block, and when the nodes last agreed (unix seconds, this host's clock)."""

    block: Block
    at: int


class EvmView:
    """The agreed blocks of one chain; thread-safe. ``clock`` gives unix seconds."""

    def __init__(self, policy: SafePolicy, nodes: Sequence[EvmNode], clock: Callable[[], int]) -> None:
        """Ask nothing yet."""
        self._policy = policy
        self._nodes = tuple(nodes)
        self._clock = clock
        self._agreed: _Agreement | None = None
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._final: dict[EvmNode, int] = {}
        self._disputed: dict[int, str] = {}
        self._changed = ""
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        # A pool for each: proofs of blocks that nodes are slow to find must not keep a refresh waiting.
        self._askers, self._proof_askers = (
            ThreadPoolExecutor(max(1, 2 * len(self._nodes)), name) for name in ("evm-node", "evm-node-proofs")
        )

    @property
    def height(self) -> int:
        """The number of the newest agreed finalized block, -1 before the first."""
        agreed = self._agreed
        return agreed.block.number if agreed is not None else -1

    @property
    def median_time(self) -> int:
        """The newest agreed block's time in unix seconds, 0 before the first; an EVM chain's times never go back."""
        agreed = self._agreed
        return agreed.block.timestamp if agreed is not None else 0

    @property
    def trouble(self) -> str:
        """Why nothing may be signed on this chain now, or nothing."""
        with self._lock:
            disputes = next(iter(self._disputed.values()), "")
            return self._changed or disputes or self._stale()

    def refresh(self) -> None:
        """Ask every node for its finalized block and agree on the newest that enough of them have; never raises."""
        with self._refreshing:
            tips = self._ask(self._nodes, lambda node: node.finalized())
            with self._lock:
                self._final = {node: tip.number for node, tip in tips.items()}
            if len(tips) >= self._policy.nodes_min:
                self._agree(tips)

    def block(self, number: int) -> bytes | None:
        """Give the hash (32 bytes) of a finalized block; None where it is not final, or not agreed on."""
        if not 0 <= number <= self.height:
            return None
        with self._lock:
            if number in self._kept:
                return self._kept[number]
            final = [node for node, newest in self._final.items() if newest >= number]
        answers = self._ask(final, lambda node: node.block(number), self._proof_askers)
        found = self._compare(number, answers)
        return found.hash if found is not None else None

    def keeps(self, number: int) -> bool:
        """Whether ``block`` answers for a number without asking the nodes."""
        with self._lock:
            return number in self._kept or not 0 <= number <= self.height

    def close(self) -> None:
        """Ask no more."""
        for pool in (self._askers, self._proof_askers):
            pool.shutdown(wait=False, cancel_futures=True)

    def _agree(self, tips: dict[EvmNode, Block]) -> None:
        """Take the newest block that ``nodes_min`` nodes hold for final, where no node contradicts it or what is kept.

        Compared are this block, the one at which the node that is farthest behind stands (so that a node on another
        chain is noticed however far behind it is), the last agreed one, and those that were in dispute.
        """
        newest = sorted((tip.number for tip in tips.values()), reverse=True)[self._policy.nodes_min - 1]
        lowest = min(tip.number for tip in tips.values())
        with self._lock:
            numbers = {newest, lowest, *self._disputed, *({self.height} - {-1})}
        found = {number: self._compare(number, self._at(number, tips)) for number in sorted(numbers)}
        block = found[newest]
        with self._lock:
            if not self._disputed and not self._changed and block is not None and newest >= self.height:
                self._agreed = _Agreement(block, self._clock())

    def _at(self, number: int, tips: dict[EvmNode, Block]) -> dict[EvmNode, Block]:
        """Ask the nodes for which a number is final for its block; those that stand there have said it already."""
        behind = [node for node, tip in tips.items() if tip.number > number]
        said = {node: tip for node, tip in tips.items() if tip.number == number}
        return said | self._ask(behind, lambda node: node.block(number))

    def _compare(self, number: int, answers: dict[EvmNode, Block]) -> Block | None:
        """Keep the block of a number where enough nodes name one and all the same; note where they do not."""
        kinds = {(block.hash, block.timestamp) for block in answers.values()}
        with self._lock:
            if len(kinds) > 1:
                said = ", ".join(f"{node.name} has 0x{block.hash.hex()}" for node, block in answers.items())
                if number in self._disputed or len(self._disputed) < MAX_DISPUTES:
                    self._disputed[number] = f"this signer's own nodes disagree on block {number}: {said}"
                return None
            if len(answers) < self._policy.nodes_min:
                return None
            self._disputed.pop(number, None)
            return self._keep(next(iter(answers.values())))

    def _keep(self, block: Block) -> Block | None:
        kept = self._kept.setdefault(block.number, block.hash)
        if kept != block.hash:
            self._changed = (
                f"finalized block {block.number} was 0x{kept.hex()}, and all nodes now say 0x{block.hash.hex()}"
            )
            return None
        self._kept.move_to_end(block.number)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return block

    def _ask(
        self, nodes: Iterable[EvmNode], question: _Question, pool: ThreadPoolExecutor | None = None
    ) -> dict[EvmNode, Block]:
        """Ask nodes at once; who fails or knows nothing is left out. Each answers or fails within its own timeout."""
        pool = pool or self._askers
        answers = [(node, pool.submit(_or_none, node, question)) for node in nodes]
        found = [(node, answer.result()) for node, answer in answers]
        return {node: answer for node, answer in found if answer is not None}

    def _stale(self) -> str:
        needed, own = self._policy.nodes_min, len(self._nodes)
        names = ", ".join(node.name for node in self._nodes if node not in self._final)
        silent = f"; silent or wrong: {names}" if names else ""
        if self._agreed is None:
            return f"this signer's own nodes have not agreed on a block yet ({needed} of {own} must){silent}"
        age = self._clock() - self._agreed.at
        if age > self._policy.view_seconds:
            return f"this signer's own nodes last agreed {age} seconds ago ({needed} of {own} must){silent}"
        old = self._clock() - self._agreed.block.timestamp
        if old > MAX_AGE_SECONDS and not self._policy.parameters.chain.test:
            return f"the newest finalized block of this signer's own nodes is {old} seconds old: are they cut off?"
        return ""


class Rationed:
    """A view for one request, whose proofs may make it ask the nodes about ``MAX_ASKED`` blocks and no more."""

    def __init__(self, view: EvmView) -> None:
        """Ask nothing yet."""
        self._view = view
        self._asked: dict[int, bytes | None] = {}

    @property
    def height(self) -> int:
        """The number of the newest agreed finalized block, -1 before the first."""
        return self._view.height

    def block(self, number: int) -> bytes | None:
        """Give a finalized block's hash as the view does. Raises ``RefusedError`` (chain-view) beyond the ration."""
        if number in self._asked:
            return self._asked[number]
        if self._view.keeps(number):
            return self._view.block(number)
        if len(self._asked) >= MAX_ASKED:
            reason = f"one request asks this signer's own nodes about at most {MAX_ASKED} blocks: prove this one later"
            raise RefusedError(RefusalTag.CHAIN_VIEW, reason)
        return self._asked.setdefault(number, self._view.block(number))


def _or_none(node: EvmNode, question: _Question) -> Block | None:
    try:
        return question(node)
    except NodeError:
        return None
