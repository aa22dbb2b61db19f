"""The flow graph as SVG: layers from left to right by hops.

Positions are whole pixels, so the bytes are the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from strongroom_tracing.report.graph import Layered, layered
from strongroom_tracing.report.markup import esc, shortened
from strongroom_tracing.report.model import Edge, Flow, Kind, Node

COLUMN: Final = 232
ROW: Final = 58
WIDTH: Final = 170
HEIGHT: Final = 42
MARGIN: Final = 16
HEAD: Final = 26
_THINNEST, _THICKEST = 1, 11
_LABEL: Final = 17
_VALUE: Final = 20
# Not only colours: each kind has a form of its own, drawn left of its label.
SIGNS: Final = {
    Kind.MARK: '<path d="M0-6 6 6H-6Z"/>',
    Kind.STEP: '<circle r="5"/>',
    Kind.HELD: '<path d="M-5-5H5V5H-5Z"/>',
    Kind.SERVICE: '<path d="M0-7 7 0 0 7-7 0Z"/>',
    Kind.FEE: '<path d="M-5 0H5M0-5V5"/>',
    Kind.LEFT: '<path d="M-5-5 5 5M5-5-5 5"/>',
    Kind.CONTESTED: '<path d="M-6-3H6M-6 3H6"/>',
    Kind.ORIGIN: '<path d="M-6 6 0-6 6 6M-4 2H4"/>',
    Kind.CONVERTED: '<path d="M-6-3H6L2-6M6 3H-6L-2 6"/>',
}


@dataclass(frozen=True, slots=True)
class _Box:
    x: int
    y: int
    node: Node


def draw(flow: Flow, name: str) -> tuple[str, tuple[str, ...]]:
    """Draw a flow; the SVG, and in words what was drawn as one. ``name`` makes the ids of the page unique."""
    made = layered(flow)
    tallest = max((len(layer) for layer in made.layers), default=0)
    width = MARGIN * 2 + COLUMN * max(0, len(made.layers) - 1) + WIDTH
    height = HEAD + MARGIN + ROW * tallest
    boxes = _boxes(made, tallest)
    largest = max((edge.value for edge in made.edges), default=1) or 1
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg class="flow" id="{name}" {size} role="group" aria-label="{esc(_described(flow, made))}">',
        *(_hop(number, "" if flow.backward else "marked") for number in range(len(made.layers))),
        *(_line(flow, edge, boxes, largest) for edge in made.edges),
        *(_box(flow, box) for box in boxes.values()),
        "</svg>",
    ]
    return "\n".join(parts), made.merged


def _described(flow: Flow, made: Layered) -> str:
    count = sum(len(layer) for layer in made.layers)
    total = flow.text(sum(flow.marked.values()))
    hops = max(0, len(made.layers) - 1)
    return f"Flow of {total} over {hops} hops, {count} boxes; every figure stands in the tables below"


def _boxes(made: Layered, tallest: int) -> dict[str, _Box]:
    boxes = {}
    for number, layer in enumerate(made.layers):
        top = HEAD + (tallest - len(layer)) * ROW // 2
        for at, node in enumerate(layer):
            boxes[node.key] = _Box(MARGIN + number * COLUMN, top + at * ROW, node)
    return boxes


def _hop(number: int, first: str) -> str:
    return f'<text class="hop" x="{MARGIN + number * COLUMN}" y="14">{f"hop {number}" if number else first}</text>'


def thickness(value: int, largest: int) -> int:
    """Give the width of a line in pixels; what is little is still seen."""
    return _THINNEST + (_THICKEST - _THINNEST) * value // largest


def _line(flow: Flow, edge: Edge, boxes: dict[str, _Box], largest: int) -> str:
    source, target = boxes[edge.source], boxes[edge.target]
    title = f"{flow.text(edge.value)}: {source.node.label} to {target.node.label}"
    return (
        f'<path class="edge to-{target.node.kind}" d="{_curve(source, target)}" '
        f'stroke-width="{thickness(edge.value, largest)}"><title>{esc(title)}</title></path>'
    )


def _curve(source: _Box, target: _Box) -> str:
    x1, y1 = source.x + WIDTH, source.y + HEIGHT // 2
    x2, y2 = target.x, target.y + HEIGHT // 2
    if x2 > x1:
        bend = (x2 - x1) // 2
        return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    # Money that comes back: around the right side and from above.
    return f"M{x1} {y1}C{x1 + 50} {y1} {x1 + 50} {y2 - ROW} {(x1 + x2) // 2} {y2 - ROW // 2}S{x2 - 40} {y2} {x2} {y2}"


def _box(flow: Flow, box: _Box) -> str:
    node = box.node
    value = flow.text(node.value)
    shown = shortened(flow.short(node.value), _VALUE)
    title = f"{node.detail}\n{value}" if node.detail else value
    return (
        f'<g class="node {node.kind}" transform="translate({box.x} {box.y})" role="img" tabindex="0" '
        f'aria-label="{esc(f"{node.kind}: {node.label}, {value}")}"><title>{esc(title)}</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<g class="sign" transform="translate(14 14)">{SIGNS[node.kind]}</g>'
        f'<text x="26" y="18">{esc(shortened(node.label, _LABEL))}</text>'
        f'<text class="value" x="26" y="34">{esc(shown)}</text></g>'
    )
