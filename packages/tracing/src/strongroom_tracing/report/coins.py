"""An answer of a chain of coins as pictures: chain txs are the steps, outputs are where money lies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from strongroom_core.assets import chain_by_id, native_asset
from strongroom_tracing.clusters.model import Mixing, Settings
from strongroom_tracing.clusters.service import recognise_between
from strongroom_tracing.columns import Columns
from strongroom_tracing.index.service import Index
from strongroom_tracing.report.markup import shortened
from strongroom_tracing.report.model import Edge, End, Flow, Graph, Kind, Node
from strongroom_tracing.taint.answer import Answer
from strongroom_tracing.taint.model import Contested, Direction, Fees, Move
from strongroom_tracing.taint.naming import Names

_MIXES = {
    Mixing.JOINMARKET: "JoinMarket",
    Mixing.WASABI_10: "Wasabi 1.0",
    Mixing.WASABI_11: "Wasabi 1.1",
    Mixing.WASABI_20: "Wasabi 2",
    Mixing.WHIRLPOOL: "Whirlpool",
}
_SHORT = 17


def flow_of(index: Index, answer: Answer) -> Flow:
    """Make the pictures' content of an answer."""
    marked: dict[str, int] = {claim: sums["marked"] for claim, sums in answer.totals().items()}
    asset = native_asset(chain_by_id(index.chain))
    backward = answer.question.direction is Direction.BACKWARD
    graph = _Drawing(index, answer, backward=backward).graph()
    return Flow(asset, marked, graph, tuple(ends_of(index, answer)), backward, tuple(_others(answer)))


def _others(answer: Answer) -> list[End]:
    lost = [row for row in answer.contested if row.service]
    return _sums((f"{c.claim}, after {c.winner}", Kind.SERVICE, c.service, "service", c.value) for c in lost)


def ends_of(index: Index, answer: Answer) -> Iterator[End]:
    """Give where the money is, for the Sankey: by output, by service, fees and what was left in sums."""
    for held in answer.held:
        yield End(
            held.claim, Kind.HELD, _address(index, held.output), index.columns.outpoint_text(held.output), held.value
        )
    yield from _sums((s.claim, Kind.SERVICE, s.service, "service", s.value) for s in answer.services)
    yield from _sums((f.claim, Kind.FEE, "fees", "fees of chain txs", f.value) for f in answer.fees)
    yield from _sums((row.claim, Kind.LEFT, row.reason, "stated limit of this trace", row.value) for row in answer.left)
    lost = (
        (c.claim, Kind.CONTESTED, f"claim {c.winner}", f"reported earlier{_own_end(c)}", c.value)
        for c in answer.contested
    )
    yield from _sums(lost)
    yield from _sums(
        (o.claim, Kind.ORIGIN, _origin(o.spent, answer), "where it began", o.value) for o in answer.origins
    )


def _sums(rows: Iterable[tuple[str, Kind, str, str, int]]) -> list[End]:
    total: dict[tuple[str, Kind, str, str], int] = defaultdict(int)
    for claim, kind, label, detail, value in rows:
        total[claim, kind, label, detail] += value
    return [End(*key, value) for key, value in sorted(total.items())]


def _origin(spent: int, answer: Answer) -> str:
    if spent != -1:
        return "from before the index"
    return "coinbase (subsidy and fees)" if answer.question.fees is Fees.ABSORBED else "new money of a block"


def _own_end(lost: Contested) -> str:
    return f"; its own way ends at service {lost.service}" if lost.service else ""


def _address(index: Index, output: int) -> str:
    """Give the address of an output; fees that a limit left have none."""
    if output >= index.columns.outputs:
        return "none"
    return index.address_text(int(index.columns.output_address[output]))


@dataclass(slots=True)
class _Drawing:
    """Collects nodes and edges of one answer; ``stopped``: backward, outputs where following ended, and their nodes."""

    index: Index
    answer: Answer
    backward: bool
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    marks: frozenset[int] = frozenset()
    stopped: dict[int, Node] = field(default_factory=dict)
    mixing: npt.NDArray[np.uint8] | None = None

    @property
    def columns(self) -> Columns:
        return self.index.columns

    def graph(self) -> Graph:
        """Draw everything."""
        self._marks()
        self._ends()
        for move in self.answer.moves:
            self._move(move)
        self._sum_steps()
        return Graph(tuple(self.nodes[key] for key in sorted(self.nodes)), _edges(self.edges))

    def _marks(self) -> None:
        asked: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for mark in self.answer.marked:  # a claim that marks an output again means the larger part of it
            claims = asked[mark.output]
            claims[mark.claim] = max(claims[mark.claim], mark.asked)
        self.marks = frozenset(asked)
        for output, claims in sorted(asked.items()):
            where = self._where(output, ", ".join(sorted(claims)))
            self._add(Node(f"m:{output}", Kind.MARK, _address(self.index, output), where, sum(claims.values())))

    def _ends(self) -> None:
        answer = self.answer
        held: dict[int, int] = defaultdict(int)
        for row in answer.held:
            held[row.output] += row.value
        for output, value in held.items():
            node = Node(f"h:{output}", Kind.HELD, _address(self.index, output), self._where(output, "held"), value)
            self._end(node, output, value)
        for service in answer.services:
            detail = f"service {service.service}"
            self._end(
                Node(f"s:{service.service}", Kind.SERVICE, service.service, detail, 0), service.output, service.value
            )
        for left in answer.left:
            node = Node(
                f"l:{left.output}:{left.reason}", Kind.LEFT, left.reason, self._where(left.output, left.reason), 0
            )
            self._end(node, left.output, left.value)
        for lost in answer.contested:
            detail = self._where(
                lost.output, f"claim {lost.claim} lost it to {lost.winner}, which was reported earlier{_own_end(lost)}"
            )
            node = Node(f"x:{lost.output}:{lost.claim}", Kind.CONTESTED, f"{lost.claim} to {lost.winner}", detail, 0)
            self._end(node, lost.output, lost.value, fork=True)
        for fee in answer.fees:
            node = Node(f"f:{fee.tx}", Kind.FEE, "fee", f"fee of chain tx {self.columns.txid_text(fee.tx)}", 0)
            self._join(self._step(fee.tx), self._add(node), fee.value)

    def _end(self, node: Node, output: int, value: int, *, fork: bool = False) -> None:
        """Forward, an end hangs on what made its output.

        Backward, it stands before what spent it, and moves bring it in.
        """
        if self.backward and not fork:
            self.stopped[output] = self.nodes.get(node.key, node)
            if output in self.marks:  # nothing before it was followed
                self._join(self._add(node), f"m:{output}", value)
            return
        self._join(self._of_output(output), self._add(node), value)

    def _move(self, move: Move) -> None:
        step = self._step(move.tx)
        self._join(self._source(move), step, move.value)
        if move.sink in self.marks:
            self._join(step, f"m:{move.sink}", move.value)

    def _source(self, move: Move) -> str:
        if move.source < 0:
            label = _origin(move.source, self.answer)
            return self._add(Node(f"o:{move.tx}:{move.source}", Kind.ORIGIN, label, f"{label}, spent in {move.tx}", 0))
        if self.backward and move.source in self.stopped:
            return self._add(self.stopped[move.source])
        return self._of_output(move.source)

    def _of_output(self, output: int) -> str:
        if output >= self.columns.outputs:  # the fee of a chain tx, which the block's coinbase may claim
            return self._step(output - self.columns.outputs)
        return f"m:{output}" if output in self.marks else self._step(self.columns.tx_of_output(output))

    def _step(self, tx: int) -> str:
        key = f"t:{tx}"
        if key not in self.nodes:
            txid, height = self.columns.txid_text(tx), self.columns.height_of_tx(tx)
            mix = _MIXES.get(self._mixing_of(tx), "")
            label = f"{mix} mix" if mix else f"tx {shortened(txid, _SHORT - 3)}"
            self._add(
                Node(key, Kind.STEP, label, f"{f'{mix} CoinJoin' if mix else 'chain tx'} {txid}, height {height}", 0)
            )
        return key

    def _mixing_of(self, tx: int) -> Mixing:
        """Say which CoinJoin a chain tx has the shape of, by the rules of the clusters."""
        if self.mixing is None:  # the rules write into a column; untouched pages of it cost nothing
            self.mixing = np.zeros(self.columns.txs, dtype=np.uint8)
        recognise_between(self.columns, Settings(), tx, tx + 1, self.mixing)
        return Mixing(int(self.mixing[tx]))

    def _add(self, node: Node) -> str:
        self.nodes.setdefault(node.key, node)
        return node.key

    def _join(self, source: str, target: str, value: int) -> None:
        self.edges[source, target] += value

    def _where(self, output: int, words: str) -> str:
        place = Names(self.columns).places([output])[0]
        return f"{words}: {place}, address {_address(self.index, output)}"

    def _sum_steps(self) -> None:
        """What a step, a service or a fee stands for is what came to it (backward and at the start: what left it)."""
        came: dict[str, int] = defaultdict(int)
        went: dict[str, int] = defaultdict(int)
        for (source, target), value in self.edges.items():
            went[source] += value
            came[target] += value
        for key, node in self.nodes.items():
            if not node.value:
                self.nodes[key] = Node(key, node.kind, node.label, node.detail, came[key] or went[key])


def _edges(edges: dict[tuple[str, str], int]) -> tuple[Edge, ...]:
    return tuple(Edge(source, target, value) for (source, target), value in sorted(edges.items()))
