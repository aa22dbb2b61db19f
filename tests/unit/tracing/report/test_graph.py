"""Layers of a flow graph: by hops, never too much to look at, and no money lost by what is drawn as one."""

from __future__ import annotations

import re
from collections import Counter

from hypothesis import given

from strongroom_core.assets import BTC
from strongroom_tracing.report import flowgraph, sankey
from strongroom_tracing.report.graph import LAYER_NODES, LAYERS, depths, layered
from strongroom_tracing.report.model import Edge, Flow, Graph, Kind, Node
from tests.unit.tracing.report.flows import flow, graphs


def test_a_node_stands_as_many_hops_from_the_mark_as_the_longest_way_has():
    nodes = tuple(Node(key, Kind.STEP, key, "", 1) for key in "abcd")
    edges = (Edge("a", "b", 1), Edge("b", "c", 1), Edge("a", "c", 1), Edge("c", "d", 1))
    assert depths(Graph(nodes, edges)) == {"a": 0, "b": 1, "c": 2, "d": 3}


def test_money_that_goes_in_circles_has_layers_too():
    nodes = (Node("m", Kind.MARK, "m", "", 1), *(Node(key, Kind.STEP, key, "", 1) for key in "ab"))
    edges = (Edge("m", "a", 1), Edge("a", "b", 1), Edge("b", "a", 1))
    assert depths(Graph(nodes, edges)) == {"m": 0, "a": 1, "b": 2}


@given(graphs())
def test_what_is_drawn_as_one_keeps_all_money_and_says_so(made: Flow):
    drawn = layered(made)
    whole, shown = made.graph, [node for layer in drawn.layers for node in layer]
    assert sum(node.value for node in shown) == sum(node.value for node in whole.nodes)
    together = [int(re.findall(r": (\d+) ", words)[0]) for words in drawn.merged]
    assert len(shown) + sum(count - 1 for count in together) == len(whole.nodes)
    assert len({node.key for node in shown}) == len(shown)
    assert len(drawn.layers) <= LAYERS
    kinds = len(Kind)
    assert all(len(layer) <= LAYER_NODES + kinds for layer in drawn.layers)
    keys = {node.key for node in shown}
    assert all(edge.source in keys and edge.target in keys for edge in drawn.edges)


@given(graphs())
def test_a_picture_is_the_same_every_time_and_has_all_its_lines(made: Flow):
    picture, merged = flowgraph.draw(made, "x")
    assert (picture, merged) == flowgraph.draw(made, "x")
    assert picture.count('class="edge') == len(layered(made).edges)


def test_a_long_and_wide_flow_is_merged_and_still_adds_up():
    made = flow(steps=60, wide=30)
    drawn = layered(made)
    assert len(drawn.layers) == LAYERS
    assert any("and beyond" in words for words in drawn.merged)
    assert Counter(node.kind for layer in drawn.layers for node in layer)[Kind.FEE] <= LAYERS


def test_every_line_of_the_sankey_has_its_exact_value():
    made = flow(steps=2, wide=4)
    picture, merged = sankey.draw(made)
    assert not merged
    for end in made.ends:
        assert f"{made.text(end.value)}: " in picture
    assert "10.00000000 BTC" in picture


def test_the_sankey_draws_small_places_as_one_and_says_their_sum():
    made = flow(steps=10, wide=4)
    _, merged = sankey.draw(made)
    held = sorted((end.value for end in made.ends if end.kind is Kind.HELD), reverse=True)
    assert any(
        words.startswith(f"{len(held) - 5} more held outputs, together {made.text(sum(held[5:]))}") for words in merged
    )


def test_nothing_at_all_is_drawn_without_trouble():
    empty = Flow(BTC, {}, Graph((), ()), ())
    assert sankey.draw(empty)[0].startswith("<svg")
    assert flowgraph.draw(empty, "x")[0].startswith("<svg")
