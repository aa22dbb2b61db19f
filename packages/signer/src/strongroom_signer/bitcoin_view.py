"""What this signer's own nodes of a bitcoin-like agree on, of chains whose headers it checked itself.

A block is agreed when ``nodes_min`` nodes have it in their best chain and no node that answers has another in its
place. The agreed chain only grows, or gives way to a chain of more work. Nodes that contradict it, or each other,
deeper than ``confirmations`` blocks, and a node that lies, stop everything: ``trouble`` says why.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from strongroom_signer.agreed_chain import AgreedChain
from strongroom_signer.header_file import HeaderFile
from strongroom_signer.headers import MAX_BESIDE, Header, HeaderTree
from strongroom_signer.node_chain import NodeChain, NodeState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from strongroom_signer.bitcoin_nodes import BitcoinNode
    from strongroom_signer.policy import ChainPolicy


#: On a main network a chain whose median time is older than this stands still, or these nodes are cut off from it: a
#: signer that sees nothing new must not go on as if nothing happened. The median is six blocks old: an hour on Bitcoin.
MAX_AGE_SECONDS: Final = 3 * 3_600


class BitcoinView:
    """One bitcoin-like, as its own nodes agree on it; safe to use from many threads."""

    def __init__(
        self, policy: ChainPolicy, nodes: Sequence[BitcoinNode], store: Path | None, clock: Callable[[], int]
    ) -> None:
        """Read the headers that ``store`` holds, and check them again. Raises ``PolicyError`` on a wrong checkpoint."""
        self._policy = policy
        self._clock = clock
        self._tree = HeaderTree(policy.parameters, policy.checkpoint, policy.checkpoint_height)
        self._file = HeaderFile(store)
        self._agreed = AgreedChain(self._tree, self._file.read(self._tree))
        self._nodes = [NodeChain(node, policy.parameters.chain, self._tree) for node in nodes]
        self._lock = threading.RLock()
        self._refreshing = threading.Lock()
        self._known = len(self._agreed.chain) > 1
        self._agreed_at: int | None = None
        self._trouble = "the nodes were not asked yet"
        self._workers = ThreadPoolExecutor(max(len(nodes), 1), f"nodes of {policy.parameters.chain.name}")

    def refresh(self) -> None:
        """Ask every node, and agree; what goes wrong is in ``trouble`` and ``nodes``, never raised."""
        with self._refreshing:
            now, best = self._clock(), self._agreed.best
            # Headers are added by several threads: two that add the same one make the same of it.
            list(self._workers.map(lambda node: node.refresh(best, now), self._nodes))
            with self._lock:
                self._trouble = self._agree(now)
                self._forget()
                chain = list(self._agreed.chain) if self._agreed.best is not best else []
            if chain:
                # What cannot be written is asked from the nodes again at the next start.
                with contextlib.suppress(OSError):
                    self._file.write(chain)

    def close(self) -> None:
        """Ask nothing any more."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    @property
    def height(self) -> int:
        """The height of the agreed tip; -1 where nodes never agreed."""
        with self._lock:
            return self._agreed.tip.height if self._known else -1

    @property
    def trouble(self) -> str:
        """Why nothing may be signed, or nothing: how the nodes stood when they were last asked."""
        with self._lock:
            age = self._clock() - self._agreed_at if self._agreed_at is not None else -1
            # A clock that was set back makes no old agreement a new one.
            return self._trouble or (self._old() if 0 <= age <= self._policy.view_seconds else self._late())

    @property
    def nodes(self) -> dict[str, str]:
        """What is wrong with each node, by name; empty where nothing is."""
        with self._lock:
            return {node.name: node.trouble or self._lag(node) for node in self._nodes}

    @property
    def median_time(self) -> int:
        """The median time of the last eleven agreed headers, in unix seconds (BIP 113)."""
        with self._lock:
            return self._tree.median_time(self._agreed.tip)

    def find(self, block: bytes) -> Header | None:
        """Give the agreed header of a block's hash (32 bytes as hashed)."""
        with self._lock:
            return self._agreed.find(block) if self._known else None

    def at(self, height: int) -> Header | None:
        """Give the agreed header of a height."""
        with self._lock:
            return self._agreed.at(height) if self._known else None

    def block(self, height: int) -> bytes | None:
        """Give the agreed block's hash, 32 bytes as hashed."""
        header = self.at(height)
        return header.hash if header else None

    def header(self, height: int) -> bytes | None:
        """Give the agreed block's header, 80 bytes."""
        header = self.at(height)
        return header.raw if header else None

    def height_of(self, block: bytes) -> int | None:
        """Give the height of an agreed block."""
        header = self.find(block)
        return header.height if header else None

    def _agree(self, now: int) -> str:
        lying = [f"{node.name}: {node.trouble}" for node in self._nodes if node.state is NodeState.LIES]
        if lying:
            return f"a node lies: {'; '.join(lying)}"
        tips = self._tips()
        if len(tips) < self._policy.nodes_min:
            return ""
        self._known = True
        self._agreed.follow(list(tips.values()), self._policy.nodes_min)
        top, fork = self._agreed.dispute(list(tips.values()))
        if top.height - fork.height > self._policy.confirmations:
            return f"the nodes contradict each other after block {fork.height}: {_sides(tips)}"
        # Nodes that stopped while another went on are no fresh agreement, though they contradict nobody.
        whole = sum(node.whole for node in self._nodes) >= self._policy.nodes_min
        if whole and top.height - self._agreed.tip.height <= self._policy.confirmations:
            self._agreed_at = now
        return ""

    def _tips(self) -> dict[str, Header]:
        return {node.name: node.tip for node in self._nodes if node.tip and node.state is NodeState.ANSWERS}

    def _late(self) -> str:
        found = "; ".join(f"{name}: {trouble or 'answers'}" for name, trouble in self.nodes.items())
        wanted, seconds = self._policy.nodes_min, self._policy.view_seconds
        return f"no {wanted} own nodes agreed in the last {seconds} seconds ({found or 'no node is named'})"

    def _old(self) -> str:
        old = self._clock() - self._tree.median_time(self._agreed.tip)
        if old <= MAX_AGE_SECONDS or self._policy.parameters.chain.test:
            return ""
        return f"the newest blocks of this signer's own nodes are {old} seconds old: are the nodes cut off?"

    def _lag(self, node: NodeChain) -> str:
        highest = max((tip.height for tip in self._tips().values()), default=0)
        behind = highest - node.tip.height if node.tip else 0
        return f"{behind} blocks behind" if behind > self._policy.confirmations else ""

    def _forget(self) -> None:
        if len(self._tree) > len(self._agreed.chain) + MAX_BESIDE:
            self._tree.keep(self._agreed.best, *(node.tip for node in self._nodes if node.tip))


def _sides(tips: dict[str, Header]) -> str:
    return ", ".join(f"{name} has {tip.hash[::-1].hex()} at {tip.height}" for name, tip in tips.items())
