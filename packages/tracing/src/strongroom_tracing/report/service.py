"""The doors of reports: make one of an answer, write it to a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset
from strongroom_tracing.accounts.answer import AccountAnswer
from strongroom_tracing.accounts.genuine import Genuine
from strongroom_tracing.index.service import Index
from strongroom_tracing.provenance import Provenance
from strongroom_tracing.report.accounts import asset_of, definition_of, flows_of, summary_of
from strongroom_tracing.report.coins import flow_of
from strongroom_tracing.report.definitions import DEFINITIONS
from strongroom_tracing.report.model import Flow, Kind, Report, Table
from strongroom_tracing.report.page import page
from strongroom_tracing.taint.answer import Answer
from strongroom_tracing.taint.model import Policy

ROWS_SHOWN: Final = 1_000
_MONEY: Final = frozenset({"value", "asked", "again"})
_ACCOUNT_TITLES: Final = {
    "held": ("Held", "What lies with addresses."),
    "services": ("At services", "Where money came to a service, transfer by transfer."),
    "sources": ("Origins", "Where money came from in the end."),
    "gas": ("Gas", "Marked coin that was spent on gas."),
    "left": ("Not followed further", "Money that went on, but not under the limits of this trace."),
    "contested": ("Contested", "What a claim asked for and an earlier one has."),
    "marked": ("Marked", "What each claim put in."),
    "unknown": ("Unknown", "Paid beyond what is known to have come in: nobody says that this is clean."),
    "converted": ("Conversions", "Both legs of wraps, swaps and bridges, with the evidence."),
    "ignored": ("Ignored", "Transfers at these addresses that move no money here, and why."),
    "moves": ("Moves", "Every step, in chain order."),
}
_TITLES: Final = {
    "held": ("Held", "Outputs that nobody has spent yet."),
    "services": ("At services", "Where money came to a service, output by output."),
    "fees": ("Fees", ""),
    "left": ("Not followed further", "Money that went on, but not under the limits of this trace."),
    "contested": ("Contested", "What a claim asked for and an earlier report has; by poison, where its own way ends."),
    "origins": ("Origins", "Where money came from in the end."),
    "marked": ("Marks", "What was the claim's already, by flow or by another mark of it, counts once (again)."),
    "assumed": ("Assumed", "Chain txs with inputs of unknown value, and what these were taken to bring."),
    "moves": ("Moves", "Every step, in chain order."),
}


def report_of_coins(
    index: Index, answer: Answer, tables: Mapping[str, pa.Table], provenance: Provenance, *, title: str, on: date
) -> Report:
    """Make the report of an answer; ``tables`` are its Arrow tables, ``on`` the day on which lists' ages are told."""
    flow = flow_of(index, answer)
    policy = answer.question.policy
    return Report(
        title=title,
        summary=_summary(flow, index, policy),
        flows=(flow,),
        tables=(_whom_to_ask(flow), *_tables(tables, flow.asset)),
        provenance=provenance,
        on=on,
        definition=DEFINITIONS[policy],
        conserves=policy is not Policy.POISON,
    )


def report_of_accounts(
    answer: AccountAnswer,
    genuine: Genuine,
    tables: Mapping[str, pa.Table],
    provenance: Provenance,
    *,
    title: str,
    on: date,
) -> Report:
    """Make the report of an answer of account chains: a flow for each asset; ``genuine`` names the assets."""
    flows = flows_of(answer, genuine)
    policy = answer.question.policy
    return Report(
        title=title,
        summary=summary_of(answer, flows, provenance),
        flows=flows,
        tables=(_whom_to_ask(*flows), *_account_tables(tables, genuine)),
        provenance=provenance,
        on=on,
        definition=definition_of(policy),
        conserves=policy is not Policy.POISON,
    )


def write(report: Report, path: Path) -> None:
    """Write a report as one HTML file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(page(report))
    os.replace(fresh, path)  # noqa: PTH105 -- the plain call


def _summary(flow: Flow, index: Index, policy: Policy) -> str:
    marked = flow.text(sum(flow.marked.values()))
    parts = [
        f"{words.lower()}: {flow.text(sum(end.value for end in flow.ends if end.kind is kind))}"
        for kind, words in flow.outcomes.items()
        if any(end.kind is kind for end in flow.ends)
    ]
    how = f"by {policy.value.upper()}, as of height {index.tip.height}"
    return f"{marked} marked; {how}: {'; '.join(parts) or 'nothing found'}."


def _whom_to_ask(*flows: Flow) -> Table:
    rows = tuple(
        (end.label, end.claim, flow.text(end.value))
        for flow in flows
        for end in sorted((*flow.ends, *flow.others), key=lambda end: (-end.value, end.label, end.claim))
        if end.kind is Kind.SERVICE
    )
    note = "Services that money reached, with totals." if rows else "No money reached a service that is on the lists."
    return Table("Whom to ask", note, ("service", "claim", "total"), frozenset({"total"}), rows)


def _tables(tables: Mapping[str, pa.Table], asset: Asset) -> list[Table]:
    names = [name for name in (*_TITLES, *sorted(set(tables) - set(_TITLES))) if name in tables]
    return [_table(name, tables[name], asset) for name in names if tables[name].num_rows]


def _table(name: str, table: pa.Table, asset: Asset) -> Table:
    title, note = _TITLES.get(name, (name, ""))
    columns = tuple(table.column_names)
    shown = table.slice(0, ROWS_SHOWN).to_pylist()
    rows = tuple(tuple(_cell(column, row[column], asset) for column in columns) for row in shown)
    numeric = frozenset(column for column in columns if pa.types.is_integer(table.schema.field(column).type))
    return Table(title, note, columns, numeric, rows, table.num_rows - len(rows))


def _account_tables(tables: Mapping[str, pa.Table], genuine: Genuine) -> list[Table]:
    """Values of account chains stand in text beside their 32 bytes; what asset they are of stands in the row."""
    names = [name for name in (*_ACCOUNT_TITLES, *sorted(set(tables) - set(_ACCOUNT_TITLES))) if name in tables]
    return [_account_table(name, tables[name], genuine) for name in names if tables[name].num_rows]


def _account_table(name: str, table: pa.Table, genuine: Genuine) -> Table:
    title, note = _ACCOUNT_TITLES.get(name, (name, ""))
    columns = tuple(column for column in table.column_names if f"{column}_text" not in table.column_names)
    shown = tuple(column.removesuffix("_text") for column in columns)
    rows = tuple(
        tuple(_account_cell(column, row, genuine) for column in columns)
        for row in table.slice(0, ROWS_SHOWN).to_pylist()
    )
    return Table(title, note, shown, frozenset({"value", "paid", "got"}), rows, table.num_rows - len(rows))


def _account_cell(column: str, row: Mapping[str, Any], genuine: Genuine) -> str:
    if not column.endswith("_text"):
        return str(row[column])
    asset = row[{"paid_text": "asset_in", "got_text": "asset_out"}.get(column, "asset")]
    return str(Amount(asset_of(asset, genuine), int(row[column])))


def _cell(column: str, value: Any, asset: Asset) -> str:
    if value is None:
        return ""
    return Amount(asset, value).format() if column in _MONEY else str(value)
