"""An answer of account chains as pictures: one flow for each asset, addresses are the steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from strongroom_core.assets import Asset, asset_by_id
from strongroom_core.errors import InvalidValueError
from strongroom_tracing.accounts.answer import AccountAnswer, Converted
from strongroom_tracing.accounts.genuine import Genuine
from strongroom_tracing.report.model import Edge, End, Flow, Graph, Kind, Node
from strongroom_tracing.taint.model import Direction

_CODE_LENGTH = 16


def flows_of(answer: AccountAnswer, genuine: Genuine) -> tuple[Flow, ...]:
    """Make the pictures' content: a flow for each asset that marked money was of, in the order of their ids."""
    rows: tuple[Any, ...] = (
        *answer.marked,
        *answer.moves,
        *answer.held,
        *answer.services,
        *answer.gas,
        *answer.left,
        *answer.sources,
    )
    assets = {row.asset for row in rows} | {item.asset_out for item in answer.converted}
    return tuple(_flow(answer, asset, genuine) for asset in sorted(assets))


def asset_of(asset: str, genuine: Genuine) -> Asset:
    """Give an asset by its id; of one whose decimals nobody vouches for, base units are whole units."""
    for token in genuine.tokens:
        if token.asset == asset:
            return Asset(asset, token.symbol, token.decimals)
    try:
        return asset_by_id(asset)
    except InvalidValueError:
        return Asset(asset, f"base units of {asset.rpartition(':')[2][:_CODE_LENGTH]}", 0)


def _flow(answer: AccountAnswer, asset: str, genuine: Genuine) -> Flow:
    backward = answer.question.direction is Direction.BACKWARD
    marked: dict[str, int] = dict.fromkeys(answer.claims, 0)
    for row in answer.marked:
        if row.asset == asset:
            marked[row.claim] += row.value
    for step in answer.converted:  # what came in by a conversion is followed on like what was marked
        if _came(step, backward=backward) == asset:
            marked[step.claim] += step.paid if backward else step.got
    used = {claim: value for claim, value in marked.items() if value}
    graph = _Drawing(answer, asset, backward=backward).graph()
    return Flow(asset_of(asset, genuine), used, graph, tuple(_ends(answer, asset, backward=backward)), backward)


def _came(step: Converted, *, backward: bool) -> str:
    return step.asset_in if backward else step.asset_out


def _went(step: Converted, *, backward: bool) -> str:
    return step.asset_out if backward else step.asset_in


def _ends(answer: AccountAnswer, asset: str, *, backward: bool) -> Iterator[End]:
    rows: list[tuple[str, Kind, str, str, int]] = []
    rows += [(r.claim, Kind.HELD, r.address, "held", r.value) for r in answer.held if r.asset == asset]
    rows += [(r.claim, Kind.SERVICE, r.service, "service", r.value) for r in answer.services if r.asset == asset]
    rows += [(r.claim, Kind.FEE, "gas", "spent on gas", r.value) for r in answer.gas if r.asset == asset]
    rows += [(r.claim, Kind.LEFT, r.reason, "stated limit", r.value) for r in answer.left if r.asset == asset]
    rows += [(r.claim, Kind.ORIGIN, r.origin, r.address, r.value) for r in answer.sources if r.asset == asset]
    lost = (r for r in answer.contested if r.asset == asset)
    rows += [(r.claim, Kind.CONTESTED, f"claim {r.winner}", "reported earlier", r.value) for r in lost]
    turned = (step for step in answer.converted if _went(step, backward=backward) == asset)
    rows += [(s.claim, Kind.CONVERTED, s.kind, "", s.got if backward else s.paid) for s in turned]
    total: dict[tuple[str, Kind, str, str], int] = defaultdict(int)
    for claim, kind, label, detail, value in rows:
        total[claim, kind, label, detail] += value
    for key, value in sorted(total.items()):
        yield End(*key, value)


@dataclass(slots=True)
class _Drawing:
    """Collects nodes and edges of one asset."""

    answer: AccountAnswer
    asset: str
    backward: bool
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def graph(self) -> Graph:
        answer = self.answer
        for move in self._mine(answer.moves):
            self._join(self._address(move.sender), self._address(move.recipient), move.value)
        for held in self._mine(answer.held):
            self._end(Kind.HELD, held.address, held.address, held.value)
        for service in self._mine(answer.services):
            self._end(Kind.SERVICE, service.service, service.address, service.value)
        for gas in self._mine(answer.gas):
            self._end(Kind.FEE, f"gas of {gas.address}", gas.address, gas.value)
        for left in self._mine(answer.left):
            self._end(Kind.LEFT, left.reason, left.address, left.value)
        for source in self._mine(answer.sources):
            self._begin(Kind.ORIGIN, source.origin, source.address, source.value)
        self._conversions()
        self._sum()
        return Graph(
            tuple(self.nodes[key] for key in sorted(self.nodes)),
            tuple(Edge(*pair, value) for pair, value in sorted(self.edges.items()) if pair[0] != pair[1]),
        )

    def _conversions(self) -> None:
        for step in self.answer.converted:
            if step.asset_in == self.asset:
                self._end(Kind.CONVERTED, f"{step.kind} at {step.transfer}", step.address, step.paid)
            if step.asset_out == self.asset:
                self._begin(Kind.CONVERTED, f"{step.kind} by {step.transfer}", step.address, step.got)

    def _mine(self, rows: Iterable[Any]) -> Iterator[Any]:
        return (row for row in rows if row.asset == self.asset)

    def _address(self, address: str) -> str:
        key = f"a:{address}"
        self.nodes.setdefault(key, Node(key, Kind.STEP, address, f"address {address}", 0))
        return key

    def _end(self, kind: Kind, label: str, address: str, value: int) -> None:
        """Forward, an end hangs on the address; backward, what a service paid or a limit left stands before it."""
        key = f"{kind}:{label}"
        self.nodes.setdefault(key, Node(key, kind, label, label, 0))
        pair = (self._address(address), key)
        self._join(*(pair[::-1] if self.backward and kind in {Kind.SERVICE, Kind.LEFT} else pair), value)

    def _begin(self, kind: Kind, label: str, address: str, value: int) -> None:
        key = f"{kind}:{label}"
        self.nodes.setdefault(key, Node(key, kind, label, label, 0))
        self._join(key, self._address(address), value)

    def _join(self, source: str, target: str, value: int) -> None:
        self.edges[source, target] += value

    def _sum(self) -> None:
        came: dict[str, int] = defaultdict(int)
        went: dict[str, int] = defaultdict(int)
        for (source, target), value in self.edges.items():
            went[source] += value
            came[target] += value
        for key, node in self.nodes.items():
            self.nodes[key] = Node(key, node.kind, node.label, node.detail, max(came[key], went[key]))
