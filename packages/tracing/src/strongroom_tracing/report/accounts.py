"""An answer of account chains as pictures: one flow for each asset, addresses are the steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom_core.assets import Asset, asset_by_id
from strongroom_core.errors import InvalidValueError
from strongroom_tracing.accounts.answer import AccountAnswer, Converted, Move, Unknown
from strongroom_tracing.accounts.genuine import Genuine
from strongroom_tracing.provenance import Provenance
from strongroom_tracing.report.definitions import DEFINITIONS
from strongroom_tracing.report.model import Edge, End, Flow, Graph, Kind, Node
from strongroom_tracing.taint.model import Direction, Policy

_CODE_LENGTH = 16
_LOST: Final = "which was reported earlier"
_LOTS: Final = (
    "What an address holds of an asset is kept in lots. Gas is a payment of its own; what is paid beyond all that is "
    "known to have come in leaves last, and is unknown, not clean."
)
_WORDS: Final[Mapping[Policy, str]] = {
    Policy.FIFO: "First in, first out: each payment takes the lots that came in first, in their order.",
    Policy.LIFO: "Last in, first out: each payment takes the lots that came in last.",
    Policy.TIHO: (
        "Taint in, highest out: of the payments that an address makes within one chain tx with nothing coming in "
        "between, and the balance that remains, the highest gets the marked money first; among equal ones the "
        "earlier, the balance last."
    ),
    Policy.HAIRCUT: (
        "Haircut: each payment takes of every source in proportion, floored to base units; what is left over goes by "
        "largest remainder, ties in the order of report, then to what is no claim's."
    ),
    Policy.POISON: (
        "Poison: once marked money lies with an address, all that it pays of that asset is marked whole, until it "
        "holds nothing that is known. It says where money can have come, not how much; its values are of whole "
        "payments and do not add up to what was stolen."
    ),
}


def flows_of(answer: AccountAnswer, genuine: Genuine) -> tuple[Flow, ...]:
    """Make the pictures' content: a flow for each asset that marked money was of; first those that were stolen."""
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
    stolen = {row.asset for row in answer.marked}
    return tuple(_flow(answer, asset, genuine) for asset in sorted(assets, key=lambda one: (one not in stolen, one)))


def definition_of(policy: Policy) -> tuple[str, str]:
    """Say what a policy means for accounts, and who defined it (for outputs; how it carries over is ours)."""
    return f"{_WORDS[policy]} {_LOTS}", f"After: {DEFINITIONS[policy][1]} For accounts by this program."


def summary_of(answer: AccountAnswer, flows: Sequence[Flow], basis: Provenance) -> str:
    """Say in a line or two where the money is, and what is not known."""
    parts = [_summary(flow) for flow in flows]
    how = f"By {answer.question.policy.value.upper()}, through height {basis.height} of {basis.chain}"
    missing = (
        f" Payments inside of contract calls are not known of {', '.join(answer.untraced)}: what is unknown may only "
        "be unseen."
        if answer.untraced
        else ""
    )
    return f"{how}: {' '.join(parts) or 'nothing found.'}{missing}"


def _summary(flow: Flow) -> str:
    stolen, came = sum(flow.marked.values()) - sum(flow.came.values()), sum(flow.came.values())
    parts = [f"{flow.short(stolen)} marked"] * bool(stolen)
    turned = "that became another asset" if flow.backward else "that was another asset"
    parts += [f"{flow.short(came)} {turned}"] * bool(came)
    for kind, words in flow.outcomes.items():
        value = sum(end.value for end in flow.ends if end.kind is kind)
        parts += [f"{words.lower()}: {flow.short(value)}"] * bool(value)
    return f"{'; '.join(parts)}."


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
    came: dict[str, int] = defaultdict(int)
    for row in answer.marked:
        if row.asset == asset:
            marked[row.claim] += row.value
    for step in answer.converted:  # what came in by a conversion is followed on like what was marked
        if _came(step, backward=backward) == asset:
            came[step.claim] += step.paid if backward else step.got
    used = {claim: value + came[claim] for claim, value in marked.items() if value + came[claim]}
    what = asset_of(asset, genuine)
    unknown = [row for row in answer.unknown if row.asset == asset]
    return Flow(
        what,
        used,
        _Drawing(answer, asset, genuine, backward=backward).graph(),
        tuple(_ends(answer, asset, genuine, backward=backward)),
        backward,
        accounts=True,
        came={claim: value for claim, value in came.items() if value},
        unknown=sum(row.value for row in unknown),
        notes=tuple(_notes(answer, unknown, asset)),
    )


def _notes(answer: AccountAnswer, unknown: Sequence[Unknown], asset: str) -> Iterator[str]:
    if unknown:
        who = len({row.address for row in unknown})
        paid = f"{len(unknown)} payment{'s' * (len(unknown) > 1)} of {who} address{'es' * (who > 1)}"
        yield (
            f"{paid} brought more than is known to have come in there. The excess is no claim's; it was there before "
            "the index begins, or came in a way that the index does not see."
        )
    fakes = sum(row.asset == asset for row in answer.ignored)
    if fakes:
        yield f"Ignored, with the reason in the table: {fakes} transfer{'s' * (fakes > 1)} of this asset."


def _came(step: Converted, *, backward: bool) -> str:
    return step.asset_in if backward else step.asset_out


def _went(step: Converted, *, backward: bool) -> str:
    return step.asset_out if backward else step.asset_in


def _ends(answer: AccountAnswer, asset: str, genuine: Genuine, *, backward: bool) -> Iterator[End]:
    rows: list[tuple[str, Kind, str, str, int]] = []
    rows += [(r.claim, Kind.HELD, r.address, "held", r.value) for r in answer.held if r.asset == asset]
    rows += [(r.claim, Kind.SERVICE, r.service, "service", r.value) for r in answer.services if r.asset == asset]
    rows += [(r.claim, Kind.FEE, "gas", "spent on gas", r.value) for r in answer.gas if r.asset == asset]
    rows += [(r.claim, Kind.LEFT, r.reason, "stated limit", r.value) for r in answer.left if r.asset == asset]
    rows += [(r.claim, Kind.ORIGIN, r.origin, r.address, r.value) for r in answer.sources if r.asset == asset]
    lost = (r for r in answer.contested if r.asset == asset)
    rows += [(r.claim, Kind.CONTESTED, f"claim {r.winner}", "reported earlier", r.value) for r in lost]
    turned = (step for step in answer.converted if _went(step, backward=backward) == asset)
    rows += [(s.claim, Kind.CONVERTED, *_turned(s, genuine, backward=backward)) for s in turned]
    total: dict[tuple[str, Kind, str, str], int] = defaultdict(int)
    for claim, kind, label, detail, value in rows:
        total[claim, kind, label, detail] += value
    for key, value in sorted(total.items()):
        yield End(*key, value)


def _turned(step: Converted, genuine: Genuine, *, backward: bool) -> tuple[str, str, int]:
    """Say into what it was turned (backward: out of what), on what evidence, and how much of this asset it was."""
    other = asset_of(_came(step, backward=backward), genuine).code
    basis = f"{step.evidence}, {step.confidence} % sure"
    return f"{step.kind} {'from' if backward else 'to'} {other}", basis, step.got if backward else step.paid


@dataclass(slots=True)
class _Drawing:
    """Collects nodes and edges of one asset."""

    answer: AccountAnswer
    asset: str
    genuine: Genuine
    backward: bool
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def graph(self) -> Graph:
        answer = self.answer
        self._moves()
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

    def _moves(self) -> None:
        moves = list(self._mine(self.answer.moves))
        paid_to = {move.transfer: move.recipient for move in moves}
        inside = {move.sender if self.backward else move.recipient for move in moves}
        for move in moves:
            self._move(move, inside)
        for lost in self._mine(self.answer.contested):  # hangs on the winner's move
            label = f"{lost.claim} to {lost.winner}"
            if lost.transfer in paid_to:
                node = self._node(Kind.CONTESTED, label, f"{label}, {_LOST}")
                self._join(self._address(paid_to[lost.transfer]), node, lost.value)

    def _conversions(self) -> None:
        for step in self.answer.converted:
            sure = f"{step.evidence}, {step.confidence} % sure"
            if step.asset_in == self.asset:
                label = f"{step.kind} to {asset_of(step.asset_out, self.genuine).code}"
                self._end(Kind.CONVERTED, label, step.address, step.paid, f"{label} at {step.transfer}, {sure}")
            if step.asset_out == self.asset:
                label = f"{step.kind} from {asset_of(step.asset_in, self.genuine).code}"
                self._begin(Kind.CONVERTED, label, step.address, step.got, f"{label} by {step.transfer}, {sure}")

    def _mine(self, rows: Iterable[Any]) -> Iterator[Any]:
        return (row for row in rows if row.asset == self.asset)

    def _address(self, address: str) -> str:
        key = f"a:{address}"
        self.nodes.setdefault(key, Node(key, Kind.STEP, address, f"address {address}", 0))
        return key

    def _move(self, move: Move, inside: Collection[str]) -> None:
        """A marked transfer passes through its mark, where following begins (backward: ends the picture).

        The address beyond is drawn only where other money was followed there, so that it is ``inside``.
        """
        claims = [mark.claim for mark in self.answer.question.marks if mark.transfer.lower().endswith(move.transfer)]
        if move.claim not in claims:
            self._join(self._address(move.sender), self._address(move.recipient), move.value)
            return
        mark = self._node(Kind.MARK, f"marked: {move.claim}", f"marked by {move.claim}: {move.transfer}")
        if self.backward or move.sender in inside:
            self._join(self._address(move.sender), mark, move.value)
        if not self.backward or move.recipient in inside:
            self._join(mark, self._address(move.recipient), move.value)

    def _node(self, kind: Kind, label: str, detail: str) -> str:
        key = f"{kind}:{detail}"
        self.nodes.setdefault(key, Node(key, kind, label, detail, 0))
        return key

    def _end(self, kind: Kind, label: str, address: str, value: int, detail: str = "") -> None:
        """Forward, an end hangs on the address; backward, what a service paid or a limit left stands before it."""
        key = self._node(kind, label, detail or label)
        pair = (self._address(address), key)
        self._join(*(pair[::-1] if self.backward and kind in {Kind.SERVICE, Kind.LEFT} else pair), value)

    def _begin(self, kind: Kind, label: str, address: str, value: int, detail: str = "") -> None:
        self._join(self._node(kind, label, detail or label), self._address(address), value)

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
