"""The words of clusters: kinds of mixing, the caller's settings, and the clusters themselves.

Memory: 32 bytes for each address (``up``, ``link``, ``cluster``, ``follow``: one int64 each) and 1 byte for each chain
tx (``mixing``), in memory while clusters are made (and then 1 more byte for each address), memory-mapped afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from strongroom_tracing.clusters.errors import ClustersDamagedError, UnknownAddressError
from strongroom_tracing.columns import Columns


class Mixing(IntEnum):
    """What a chain tx is, if its inputs belong to several people; anything but ``NONE`` joins no addresses."""

    NONE = 0
    JOINMARKET = 1
    WASABI_10 = 2
    WASABI_11 = 3
    WASABI_20 = 4
    WHIRLPOOL = 5
    EXCLUDED = 6  # named by the caller


@dataclass(frozen=True, slots=True)
class Settings:
    """What the caller knows better than the rules; numbers of the index.

    ``excluded`` chain txs join nothing; ``forced`` ones join though a rule takes them for a CoinJoin. ``coordinators``:
    addresses that collect Wasabi's fee. ``unowned``: addresses whose coins anybody may spend (pay-to-anchor, OP_TRUE):
    that two people spent such coins says nothing about them.
    """

    excluded: tuple[int, ...] = ()
    forced: tuple[int, ...] = ()
    coordinators: tuple[int, ...] = ()
    unowned: tuple[int, ...] = ()

    def until(self, txs: int, addresses: int) -> Settings:
        """Give what of them can matter to the first ``txs`` chain txs, which pay the first ``addresses`` addresses."""
        return Settings(
            tuple(sorted({tx for tx in self.excluded if tx < txs})),
            tuple(sorted({tx for tx in self.forced if tx < txs})),
            tuple(sorted({address for address in self.coordinators if address < addresses})),
            tuple(sorted({address for address in self.unowned if address < addresses})),
        )


class Joint(NamedTuple):
    """One reason: both addresses signed inputs of this chain tx."""

    address: int
    other: int
    tx: int


@dataclass(frozen=True, slots=True)
class Clusters:
    """Who belongs together by multi-input, after the first ``txs`` chain txs.

    A cluster's id is its lowest address number. ``up``: a forest that is linked by size and never compressed (a root
    holds minus its size), so that ``link``, the input at whose chain tx the link was made, stays the witness of that
    union. ``follow``: the next higher address of the cluster, or -1.
    """

    txs: int
    up: npt.NDArray[np.int64]
    link: npt.NDArray[np.int64]
    cluster: npt.NDArray[np.int64]
    follow: npt.NDArray[np.int64]
    mixing: npt.NDArray[np.uint8]
    settings: Settings
    columns: Columns

    @property
    def addresses(self) -> int:
        """How many addresses are covered."""
        return len(self.up)

    def of(self, address: int) -> int:
        """Give the id of an address's cluster; ``UnknownAddressError`` for a number that the chain does not have."""
        if not 0 <= address < len(self.cluster):
            message = f"There is no address number {address}; this chain has {len(self.cluster)} (0 is the first)."
            raise UnknownAddressError(message)
        return int(self.cluster[address])

    def size(self, cluster: int) -> int:
        """Give the number of addresses in a cluster."""
        node = self.of(cluster)
        while self.up[node] >= 0:
            node = int(self.up[node])
        return -int(self.up[node])

    def walk(self, cluster: int) -> Iterator[int]:
        """Yield the addresses of a cluster, lowest first."""
        address = self.of(cluster)
        while address >= 0:
            yield address
            address = int(self.follow[address])

    def members(self, cluster: int) -> tuple[int, ...]:
        """Give the addresses of a cluster, lowest first; any of its addresses names it."""
        return tuple(self.walk(cluster))

    def mixing_of(self, tx: int) -> Mixing:
        """Say which mixing a chain tx was taken for."""
        return Mixing(int(self.mixing[tx]))

    def why(self, address: int, other: int) -> list[Joint]:
        """Give the chain of reasons that made two addresses one.

        Each step's chain tx spent coins of both its addresses. Empty where they are the same address, or not in one
        cluster. The chain is a true one, not always the shortest.
        """
        if self.of(address) != self.of(other) or address == other:
            return []
        return _shortened(list(self._joints(address, other)))

    def _joints(self, address: int, other: int) -> Iterator[Joint]:
        """Take apart the path between two addresses: its latest union first, then what lies on both sides of it."""
        unowned = frozenset(self.settings.unowned)
        todo: list[Joint | tuple[int, int]] = [(address, other)]
        for _ in range(3 * self.size(address)):  # each union of the cluster once, and what lies on its two sides
            if not todo:
                return
            part = todo.pop()
            if isinstance(part, Joint):
                yield part
                continue
            left, right = part
            if left == right:
                continue
            joint = self._latest(left, right, unowned)
            todo += [(joint.other, right), joint, (left, joint.address)]
        if todo:
            message = "The witnesses of these clusters lead in circles; delete their folder and make them anew."
            raise ClustersDamagedError(message)

    def _latest(self, left: int, right: int, unowned: frozenset[int]) -> Joint:
        """Find the last union on the path; links grow towards the root, so it is the one that is climbed last."""
        here, there = left, right
        child = here
        while here != there:
            if self.up[there] < 0 or (self.up[here] >= 0 and self.link[here] < self.link[there]):
                child, here = here, int(self.up[here])
            else:
                child, there = there, int(self.up[there])
        joint = self._joint(int(self.link[child]), unowned)
        at = int(self.link[child])
        if self._root_before(joint.address, at) == self._root_before(left, at):
            return joint
        return Joint(joint.other, joint.address, joint.tx)

    def _root_before(self, address: int, link: int) -> int:
        """Give the root that an address had before the union at this input."""
        while self.up[address] >= 0 and self.link[address] < link:
            address = int(self.up[address])
        return address

    def _joint(self, link: int, unowned: frozenset[int]) -> Joint:
        """Say which two addresses the union at an input joined: the first of its chain tx, and its own."""
        columns = self.columns
        tx = int(np.searchsorted(columns.tx_first_input, link, side="right")) - 1
        first, last = int(columns.tx_first_input[tx]), int(columns.tx_first_input[tx + 1])
        for spent in columns.input_spent[first:last]:
            address = int(columns.output_address[spent]) if spent >= 0 else -1
            if address >= 0 and address not in unowned:
                return Joint(address, int(columns.output_address[columns.input_spent[link]]), tx)
        message = f"Input {link} joined nothing; the saved clusters are not of this chain. Make them anew."
        raise ClustersDamagedError(message)


def _shortened(joints: list[Joint]) -> list[Joint]:
    """Join neighbouring steps of one chain tx: it spent coins of all of them."""
    short: list[Joint] = []
    for joint in joints:
        if short and short[-1].tx == joint.tx:
            joint = Joint(short.pop().address, joint.other, joint.tx)  # noqa: PLW2901 -- the two steps become one
        if joint.address != joint.other:
            short.append(joint)
    return short
