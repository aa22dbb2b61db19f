"""Layers of a flow graph: how far each thing is from the marks, and what is drawn as one where it is too much."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from strongroom_tracing.report.model import Edge, Flow, Graph, Kind, Node

LAYER_NODES: Final = 9
LAYERS: Final = 18


@dataclass(frozen=True, slots=True)
class Layered:
    """A graph in layers, left to right, and what was drawn as one, in words."""

    layers: tuple[tuple[Node, ...], ...]
    edges: tuple[Edge, ...]
    merged: tuple[str, ...]


def layered(flow: Flow) -> Layered:
    """Put a flow's nodes into layers by hops, and merge what is too much for a picture."""
    hops = depths(flow.graph)
    home, merged = _merge(flow, hops)
    nodes = _homes(flow.graph, home, merged)
    last = max((layer for layer, _ in nodes.values()), default=-1)
    layers: list[list[Node]] = [[] for _ in range(last + 1)]
    for layer, node in nodes.values():
        layers[layer].append(node)
    edges = _edges(flow.graph, home)
    ordered = _ordered(layers, edges)
    return Layered(ordered, edges, tuple(_words(flow, layer, node) for layer, node in merged.values()))


def depths(graph: Graph) -> dict[str, int]:
    """Say how many moves each node is from the start: the longest way where money never returns, else the shortest."""
    after, waiting = defaultdict(list), {node.key: 0 for node in graph.nodes}
    for edge in graph.edges:
        after[edge.source].append(edge.target)
        waiting[edge.target] += 1
    depth = {key: 0 for key, count in waiting.items() if not count}
    ready = deque(depth)
    while ready:
        key = ready.popleft()
        for target in after[key]:
            depth[target] = max(depth.get(target, 0), depth[key] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return depth if not any(waiting.values()) else _shortest(graph, after)


def _shortest(graph: Graph, after: Mapping[str, list[str]]) -> dict[str, int]:
    """Breadth first from the marks: money may go in circles between addresses."""
    depth = {node.key: 0 for node in graph.nodes if node.kind is Kind.MARK}
    ready = deque(depth)
    while ready:
        key = ready.popleft()
        for target in after[key]:
            if target not in depth:
                depth[target] = depth[key] + 1
                ready.append(target)
    return {node.key: depth.get(node.key, 0) for node in graph.nodes}


def _merge(flow: Flow, hops: Mapping[str, int]) -> tuple[dict[str, tuple[int, str]], dict[str, tuple[int, Node]]]:
    """Say for each node where it is drawn: (layer, key), its own or that of what it is drawn with."""
    by_layer: dict[int, list[Node]] = defaultdict(list)
    for node in flow.graph.nodes:
        by_layer[min(hops[node.key], LAYERS - 1)].append(node)
    home: dict[str, tuple[int, str]] = {}
    groups: dict[tuple[int, Kind], list[Node]] = defaultdict(list)
    for layer, nodes in sorted(by_layer.items()):
        kept = 0
        for node in sorted(nodes, key=lambda node: (-node.value, node.key)):
            home[node.key] = (layer, node.key)
            # Fees are many and small: one for each layer.
            if node.kind is Kind.FEE or kept >= LAYER_NODES or hops[node.key] >= LAYERS:
                groups[layer, node.kind].append(node)
            else:
                kept += 1
    merged = {}
    for (layer, kind), members in sorted(groups.items()):
        if len(members) > 1:
            group = _group(flow, layer, kind, members)
            merged[group.key] = (layer, group)
            home.update({node.key: (layer, group.key) for node in members})
    return home, merged


def _group(flow: Flow, layer: int, kind: Kind, members: list[Node]) -> Node:
    many = f"{len(members)} {flow.words[kind][1]}"
    shown = "\n".join(f"{node.label}" for node in members[:10])
    more = f"\nand {len(members) - 10} more" if len(members) > 10 else ""  # noqa: PLR2004 -- as many as a tooltip bears
    return Node(
        f"merged:{layer}:{kind}", kind, many, f"{many}, drawn as one:\n{shown}{more}", sum(n.value for n in members)
    )


def _homes(
    graph: Graph, home: Mapping[str, tuple[int, str]], merged: Mapping[str, tuple[int, Node]]
) -> dict[str, tuple[int, Node]]:
    nodes = {}
    for node in graph.nodes:
        layer, key = home[node.key]
        nodes[key] = merged.get(key, (layer, node))
    return nodes


def _edges(graph: Graph, home: Mapping[str, tuple[int, str]]) -> tuple[Edge, ...]:
    total: dict[tuple[str, str], int] = defaultdict(int)
    for edge in graph.edges:
        source, target = home[edge.source][1], home[edge.target][1]
        if source != target:
            total[source, target] += edge.value
    return tuple(Edge(source, target, value) for (source, target), value in sorted(total.items()))


def _ordered(layers: list[list[Node]], edges: tuple[Edge, ...]) -> tuple[tuple[Node, ...], ...]:
    """Order each layer by where its money comes from, so that few lines cross.

    Whole numbers only, so the same everywhere.
    """
    near: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        near[edge.target].append(edge.source)
    place: dict[str, int] = {}
    ordered = []
    for layer in layers:
        first = sorted(layer, key=lambda node: (_middle(near[node.key], place), _rank(node), -node.value, node.key))
        place.update({node.key: 1000 * at // max(1, len(first)) for at, node in enumerate(first)})
        ordered.append(tuple(first))
    return tuple(ordered)


def _middle(keys: list[str], place: Mapping[str, int]) -> int:
    known = [place[key] for key in keys if key in place]
    return sum(known) // len(known) if known else 0


def _rank(node: Node) -> int:
    return tuple(Kind).index(node.kind)


def _words(flow: Flow, layer: int, node: Node) -> str:
    beyond = " and beyond" if layer == LAYERS - 1 else ""
    return f"Hop {layer}{beyond}: {node.label}, together {flow.text(node.value)}, are drawn as one."
