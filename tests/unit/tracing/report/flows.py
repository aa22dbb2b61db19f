"""Flows and reports made by hand and by Hypothesis."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import strategies as st

from strongroom_core.assets import BTC
from strongroom_tracing.provenance import Provenance
from strongroom_tracing.report.definitions import DEFINITIONS
from strongroom_tracing.report.model import Edge, End, Flow, Graph, Kind, Node, Report, Table
from strongroom_tracing.tags.model import ListInfo
from strongroom_tracing.taint.model import Policy

HOSTILE = "</title></svg><script>alert(1)</script>\"'&<img src=//evil.example/x onerror=alert(1)>\x00\u202e"
LIST = ListInfo("ofac-sdn", HOSTILE, date(2025, 11, 19), None, 3, "ab" * 32, "public domain")


def provenance(chain: str = BTC.chain_id) -> Provenance:
    method = {"policy": "fifo", "direction": "forward", "fees": "absorbed"}
    marks = ({"claim": "theft-1", "reporter": HOSTILE},)
    return Provenance(chain, 9, "00" * 32, "11" * 32, method, {"hops": None}, marks, "22" * 32, (LIST,), "tool 1")


def flow(*, label: str = "bc1qexample", steps: int = 3, wide: int = 2) -> Flow:
    """A theft of 10 coins, carried over steps; at each some of it ends at each kind of end."""
    nodes, edges, ends = [Node("m:0", Kind.MARK, label, label, 10**9)], [], []
    left, before = 10**9, "m:0"
    for step in range(steps):
        nodes.append(Node(f"t:{step}", Kind.STEP, f"tx {step}", label, left))
        edges.append(Edge(before, f"t:{step}", left))
        before = f"t:{step}"
        for number in range(wide):
            kind = (Kind.HELD, Kind.SERVICE, Kind.FEE, Kind.LEFT)[(step + number) % 4]
            value = 1_000 * (step + 1) + number
            nodes.append(Node(f"e:{step}:{number}", kind, f"{label} {number}", label, value))
            edges.append(Edge(before, f"e:{step}:{number}", value))
            ends.append(End("theft-1", kind, f"{label} {number}", f"step {step}", value))
            left -= value
    nodes.append(Node("h:last", Kind.HELD, label, label, left))
    edges.append(Edge(before, "h:last", left))
    ends.append(End("theft-1", Kind.HELD, label, "last", left))
    return Flow(BTC, {"theft-1": 10**9}, Graph(tuple(nodes), tuple(edges)), tuple(ends))


def report(made: Flow, **changes: Any) -> Report:
    table = Table("Held", HOSTILE, ("outpoint", "value"), frozenset({"value"}), ((HOSTILE, "10.00000000"),), 3)
    fields: dict[str, Any] = {
        "title": HOSTILE,
        "summary": HOSTILE,
        "flows": (made,),
        "tables": (table,),
        "provenance": provenance(),
        "on": date(2026, 1, 2),
        "definition": DEFINITIONS[Policy.FIFO],
        "conserves": True,
    }
    return Report(**(fields | changes))


@st.composite
def graphs(draw: Any) -> Flow:
    """Any graph, with circles, of one mark."""
    count = draw(st.integers(1, 40))
    kinds = draw(st.lists(st.sampled_from(Kind), min_size=count, max_size=count))
    nodes = [Node("m:0", Kind.MARK, "mark", "", 100)]
    nodes += [Node(f"n:{at}", kind, f"node {at}", "", at + 1) for at, kind in enumerate(kinds) if kind is not Kind.MARK]
    keys = st.sampled_from([node.key for node in nodes])
    pairs = draw(st.lists(st.tuples(keys, keys, st.integers(1, 10**15)), max_size=60))
    edges = tuple(Edge(source, target, value) for source, target, value in pairs if source != target)
    return Flow(BTC, {"theft-1": 100}, Graph(tuple(nodes), edges), ())
