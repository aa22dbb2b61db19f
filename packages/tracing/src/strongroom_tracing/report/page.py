"""The page: one HTML file with everything in it. It asks nobody for anything, and holds no script."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files
from typing import Final

from strongroom_tracing.provenance import tool_name
from strongroom_tracing.report import flowgraph, sankey
from strongroom_tracing.report.markup import esc
from strongroom_tracing.report.model import Flow, Kind, Report, Table

# The page may load nothing at all, not even from itself; styles stand in it.
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_LEGEND: Final = (
    "Left to right by hops. A line is as wide as the money that it stands for; what a box or line is in full shows "
    "when pointed at, and stands in the tables."
)
_LONG: Final = 25  # rows; longer tables are folded
_LONG_COLUMNS: Final = ("output", "tx", "address", "source", "sink", "spent", "from", "to", "transfer", "sha256")


def page(report: Report) -> bytes:
    """Write a report; the same report gives the same bytes."""
    style = files("strongroom_tracing.report").joinpath("style.css").read_text(encoding="utf-8")
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{esc(report.title)}</title>",
        '<link rel="icon" href="data:,">',
        f"<style>{style}</style></head><body><main>",
        f'<h1>{esc(report.title)}</h1><p class="lead">{esc(report.summary)}</p>',
        *(_flow(report, flow, number) for number, flow in enumerate(report.flows)),
        "<h2>Every figure</h2>",
        *(_table(table) for table in report.tables),
        _method(report),
        _lists(report),
        _provenance(report),
        "</main></body></html>\n",
    ]
    return "\n".join(parts).encode()


def _flow(report: Report, flow: Flow, number: int) -> str:
    picture, sankey_merged = sankey.draw(flow)
    graph, merged = flowgraph.draw(flow, f"flow-{number}")
    where = "Where it came from" if flow.backward else "Where the money is"
    words = (
        ""
        if report.conserves
        else "<p>Values are of whole outputs (on account chains: payments) under poison; they do not add up to what "
        "was marked.</p>"
    )
    of = f" ({flow.asset.code})" if len(report.flows) > 1 else ""
    return "\n".join(
        (
            f"<h2>{esc(where + of)}</h2>{words}",
            *(f"<p>{esc(note)}</p>" for note in flow.notes),
            _cards(flow),
            f"<h3>{'From where it came' if flow.backward else 'From the theft to where it is'}</h3>",
            _scroll("Sankey", picture),
            _notes(sankey_merged),
            f'<h3>The way it took</h3><p class="soft">{_LEGEND}</p>',
            _scroll("Flow graph", graph),
            _notes(merged),
        )
    )


def _scroll(name: str, inside: str) -> str:
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{esc(name)}">{inside}</div>'


def _cards(flow: Flow) -> str:
    came = sum(flow.came.values())
    total = flow.text(sum(flow.marked.values()) - came)
    claims = [claim for claim, value in flow.marked.items() if value > flow.came.get(claim, 0)]
    items = [_card(Kind.MARK, "Marked as stolen", total, ", ".join(claims))]
    if came:
        words = "Became another asset" if flow.backward else "Was another asset"
        items.append(_card(Kind.CONVERTED, words, flow.text(came), "followed on like what was marked"))
    for kind, words in flow.outcomes.items():
        ends = [end for end in flow.ends if end.kind is kind]
        if ends:
            places = len({(end.label, end.detail) for end in ends})
            note = f"{places} place{'s' if places != 1 else ''}" if kind in (Kind.HELD, Kind.SERVICE) else ""
            items.append(_card(kind, words, flow.text(sum(end.value for end in ends)), note))
    if flow.unknown:
        note = "beyond what is known to have come in: no claim's, and not thereby clean"
        items.append(_card(Kind.ORIGIN, "Paid besides, of unknown origin", flow.text(flow.unknown), note))
    return f'<ul class="cards">{"".join(items)}</ul>'


def _card(kind: Kind, words: str, value: str, note: str) -> str:
    sign = f'<svg viewBox="-8 -8 16 16" aria-hidden="true"><g class="sign">{flowgraph.SIGNS[kind]}</g></svg>'
    return f'<li class="{kind}">{sign}{esc(words)}<b>{esc(value)}</b><span class="soft">{esc(note)}</span></li>'


def _notes(notes: Iterable[str]) -> str:
    items = "".join(f"<li>{esc(note)}</li>" for note in notes)
    return f'<details><summary>What is drawn as one</summary><ul class="notes">{items}</ul></details>' if items else ""


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col"{_class(table, name)}>{esc(name)}</th>' for name in table.columns)
    body = "".join(
        "<tr>"
        + "".join(f"<td{_class(table, name)}>{esc(cell)}</td>" for name, cell in zip(table.columns, row, strict=True))
        + "</tr>"
        for row in table.rows
    )
    more = (
        f" {table.omitted} more rows are not shown; `strongroom-trace export` writes all of them."
        if table.omitted
        else ""
    )
    caption = f"<caption>{esc(table.note + more)}</caption>" if table.note or more else ""
    rows = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    whole = _scroll(table.title, rows)
    if len(table.rows) > _LONG:
        whole = f"<details><summary>{len(table.rows)} rows</summary>{whole}</details>"
    return f"<h3>{esc(table.title)}</h3>{whole}"


def _class(table: Table, name: str) -> str:
    if name in table.numeric:
        return ' class="n"'
    return ' class="m"' if name in _LONG_COLUMNS else ""


def _pairs(pairs: Iterable[tuple[str, object]]) -> str:
    return "<dl>" + "".join(f"<dt>{esc(name)}</dt><dd>{esc(_said(value))}</dd>" for name, value in pairs) + "</dl>"


def _said(value: object) -> str:
    if value is None:
        return "no limit"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _method(report: Report) -> str:
    words, source = report.definition
    facts = report.provenance
    return f'<h2>Method</h2><p>{esc(words)}</p><p class="soft">{esc(source)}</p>' + _pairs(
        (*facts.method.items(), *facts.parameters.items())
    )


def _lists(report: Report) -> str:
    ages = report.provenance.ages(report.on)
    if not ages:
        return "<h2>Lists that were checked</h2><p>None. No service was known, so no money stopped at one.</p>"
    rows = tuple(
        (item.name, item.source, item.as_of.isoformat(), f"{days} days", str(item.tags), item.sha256)
        for item, days in ages
    )
    note = f"Ages on {report.on.isoformat()}. An address that is on none of them is not thereby clean."
    columns = ("list", "source of list", "as of", "age", "tags", "sha256")
    return _table(Table("Lists that were checked", note, columns, frozenset({"age", "tags"}), rows)).replace(
        "h3>", "h2>"
    )


def _provenance(report: Report) -> str:
    facts = report.provenance
    pairs = (
        ("chain", facts.chain),
        ("height", facts.height),
        ("block", facts.block_hash),
        ("data", facts.dataset_hash),
        ("tags", facts.tags_hash or "none"),
        ("tool", facts.tool or tool_name()),
        ("sha256 of all this", facts.sha256),
    )
    text = json.dumps(facts.as_json(), indent=1, sort_keys=True, ensure_ascii=False)
    return (
        "<h2>What this rests on</h2><p>The same question to the same data gives the same answer, byte for byte.</p>"
        + _pairs(pairs)
        + f"<details><summary>As JSON</summary><pre>{esc(text)}</pre></details>"
    )
