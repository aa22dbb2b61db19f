"""The Sankey as SVG: from each theft, by what became of it, to where the money is. Whole pixels only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from strongroom_tracing.report.flowgraph import SIGNS
from strongroom_tracing.report.markup import esc, shortened
from strongroom_tracing.report.model import End, Flow, Kind

WIDTH: Final = 1020
BAR: Final = 16
_COLUMNS: Final = (190, 470, 730)
_SLOT: Final = 38  # a bar's label has two lines
_SCALE: Final = 300  # pixels for all the money
_TOP: Final = 14
_ENDS_EACH: Final = 6
_VALUE: Final = 26
_THIN: Final = 2  # what is little is still seen


@dataclass(slots=True)
class _Bar:
    """A bar, and how much of each side of it is taken by bands already."""

    x: int
    y: int
    height: int
    left: int = 0
    right: int = 0


@dataclass(frozen=True, slots=True)
class _Item:
    key: str
    kind: Kind
    label: str
    detail: str
    value: int


_Bands = Mapping[tuple[str, str], int]


def draw(flow: Flow) -> tuple[str, tuple[str, ...]]:
    """Draw a flow's ends; the SVG, and in words what was drawn as one."""
    ends, merged = _gathered(flow)
    claims = [_Item(f"c:{claim}", Kind.MARK, claim, f"claim {claim}", _sum(ends, claim)) for claim in flow.marked]
    claims = [item for item in claims if item.value]
    outcomes = [_outcome(flow, ends, kind) for kind in flow.outcomes if any(end.kind is kind for end in ends)]
    last = [*dict.fromkeys(_Item(_key(end), end.kind, end.label, end.detail, _of(ends, _key(end))) for end in ends)]
    first_bands, second_bands = _bands(ends)
    total = sum(end.value for end in ends) or 1
    columns = (claims, outcomes, last)
    bars = _bars(columns, (first_bands, second_bands), total)
    height = max((bar.y + max(bar.height, _SLOT) for bar in bars.values()), default=0) + _TOP
    kinds = {item.key: item.kind for column in columns for item in column}
    names = {item.key: item.label for column in columns for item in column}
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    words = f"From {len(claims)} claims to {len(last)} places; every figure stands in the tables below"
    parts = [
        f'<svg class="sankey" {size} role="group" aria-label="{words}">',
        *(
            _band(flow, bars, kinds, names, pair, value, total)
            for pair, value in (*first_bands.items(), *second_bands.items())
        ),
        *(_bar(flow, item, bars[item.key], number) for number, column in enumerate(columns) for item in column),
        "</svg>",
    ]
    return "\n".join(parts), merged


def _gathered(flow: Flow) -> tuple[list[End], tuple[str, ...]]:
    """Keep the largest places of each outcome by name, and gather the others of it."""
    kept, words = [], []
    for kind in flow.outcomes:
        of_kind = [end for end in flow.ends if end.kind is kind]
        value: dict[tuple[str, str], int] = defaultdict(int)
        for end in of_kind:
            value[end.label, end.detail] += end.value
        largest = sorted(value, key=lambda place: (-value[place], place))
        many = len(largest) > _ENDS_EACH
        named = set(largest[: _ENDS_EACH - 1] if many else largest)
        rest = [end for end in of_kind if (end.label, end.detail) not in named]
        kept += sorted(
            (end for end in of_kind if (end.label, end.detail) in named),
            key=lambda end: (-value[end.label, end.detail], end.label, end.detail, end.claim),
        )
        if rest:
            label = f"{len(largest) - len(named)} more {flow.words[kind][1]}"
            kept += [End(end.claim, kind, label, f"{label}, drawn as one", end.value) for end in rest]
            words.append(f"{label}, together {flow.text(sum(end.value for end in rest))}, are drawn as one.")
    return kept, tuple(words)


def _key(end: End) -> str:
    return f"e:{end.kind}:{end.label}:{end.detail}"


def _sum(ends: Sequence[End], claim: str) -> int:
    return sum(end.value for end in ends if end.claim == claim)


def _of(ends: Sequence[End], key: str) -> int:
    return sum(end.value for end in ends if _key(end) == key)


def _outcome(flow: Flow, ends: Sequence[End], kind: Kind) -> _Item:
    value = sum(end.value for end in ends if end.kind is kind)
    return _Item(f"o:{kind}", kind, flow.outcomes[kind], flow.outcomes[kind], value)


def _bands(ends: Sequence[End]) -> tuple[_Bands, _Bands]:
    first: dict[tuple[str, str], int] = defaultdict(int)
    second: dict[tuple[str, str], int] = defaultdict(int)
    for end in ends:
        first[f"c:{end.claim}", f"o:{end.kind}"] += end.value
        second[f"o:{end.kind}", _key(end)] += end.value
    return dict(first), dict(second)


def _thick(value: int, total: int) -> int:
    return max(_THIN, _SCALE * value // total)


def _bars(columns: Sequence[Sequence[_Item]], bands: tuple[_Bands, _Bands], total: int) -> dict[str, _Bar]:
    height: dict[str, int] = {}
    for side in bands:
        for end in (0, 1):
            sums: dict[str, int] = defaultdict(int)
            for pair, value in side.items():
                sums[pair[end]] += _thick(value, total)
            for key, thick in sums.items():
                height[key] = max(height.get(key, 0), thick)
    bars = {}
    for x, column in zip(_COLUMNS, columns, strict=True):
        y = _TOP
        for item in column:
            bars[item.key] = _Bar(x, y, height[item.key])
            y += max(height[item.key], _SLOT) + 8
    return bars


def _band(
    flow: Flow,
    bars: Mapping[str, _Bar],
    kinds: Mapping[str, Kind],
    names: Mapping[str, str],
    pair: tuple[str, str],
    value: int,
    total: int,
) -> str:
    source, target, thick = bars[pair[0]], bars[pair[1]], _thick(value, total)
    x1, x2 = source.x + BAR, target.x
    y1, y2 = source.y + source.right, target.y + target.left
    source.right += thick
    target.left += thick
    bend = (x1 + x2) // 2
    upper = f"M{x1} {y1}C{bend} {y1} {bend} {y2} {x2} {y2}"
    lower = f"V{y2 + thick}C{bend} {y2 + thick} {bend} {y1 + thick} {x1} {y1 + thick}Z"
    title = f"{flow.text(value)}: {names[pair[0]]} to {names[pair[1]]}"
    return f'<path class="band to-{kinds[pair[1]]}" d="{upper}{lower}"><title>{esc(title)}</title></path>'


def _bar(flow: Flow, item: _Item, bar: _Bar, column: int) -> str:
    value = flow.text(item.value)
    shown = shortened(flow.short(item.value), _VALUE)
    middle = bar.y + bar.height // 2 if bar.height >= _SLOT else bar.y + 8
    left = column == 0
    x, anchor = (bar.x - 24, "end") if left else (bar.x + BAR + 26, "start")
    sign = bar.x - 12 if left else bar.x + BAR + 13
    return (
        f'<g class="node {item.kind}" role="img" tabindex="0" aria-label="{esc(f"{item.label}, {value}")}">'
        f"<title>{esc(f'{item.detail}: {value}')}</title>"
        f'<rect x="{bar.x}" y="{bar.y}" width="{BAR}" height="{bar.height}"/>'
        f'<g class="sign" transform="translate({sign} {middle})">{SIGNS[item.kind]}</g>'
        f'<text x="{x}" y="{middle}" text-anchor="{anchor}">{esc(shortened(item.label, 30))}</text>'
        f'<text class="value" x="{x}" y="{middle + 15}" text-anchor="{anchor}">{esc(shown)}</text></g>'
    )
