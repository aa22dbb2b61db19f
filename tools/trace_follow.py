"""Follows marked money from a node: index, marks, tags, five policies, checks against the node, reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from trace_play import Rpc

from strongroom.demo.progress import Progress
from strongroom_core.amounts import Amount
from strongroom_core.assets import REGTEST_BTC
from strongroom_core.errors import StrongroomError
from strongroom_tracing.export import Format, export
from strongroom_tracing.index.builder import build
from strongroom_tracing.index.service import Index
from strongroom_tracing.index.sources.node import NodeSource
from strongroom_tracing.investigation import Method, Result, investigate
from strongroom_tracing.marks.model import CaseMark, Place
from strongroom_tracing.marks.service import Case
from strongroom_tracing.report.model import Report
from strongroom_tracing.report.service import report_of_coins, write
from strongroom_tracing.tags.imports import csv
from strongroom_tracing.tags.imports.formats import Format as ListFormat
from strongroom_tracing.tags.imports.reading import NOTHING
from strongroom_tracing.tags.model import Category, Tag
from strongroom_tracing.tags.service import import_list
from strongroom_tracing.tags.store import TagStore
from strongroom_tracing.taint.model import Policy
from strongroom_tracing.watching import Line, Log, blocks_of, log_name, moves_of

POLICIES: Final = (Policy.FIFO, Policy.LIFO, Policy.TIHO, Policy.HAIRCUT, Policy.POISON)
_LABEL: Final = "Example Exchange"
_DAY: Final = date(2026, 1, 2)  # of the demonstration's tags and reports: nothing in it depends on today


class DemonstrationError(StrongroomError):
    """Something in the demonstration does not agree."""

    code = "trace-demo"


@dataclass(frozen=True, slots=True)
class Followed:
    """What is followed: a node, marks (claim, outpoint, reporter) and the exchange's addresses."""

    folder: Path
    url: str
    credentials: Path
    rpc: Rpc
    marks: Sequence[tuple[str, str, str]]
    exchange: Sequence[str]
    title: str = "A theft played on regtest"

    @property
    def index(self) -> Path:
        """The index's folder."""
        return self.folder / "index"


def follow(followed: Followed, progress: Progress) -> dict[str, Any]:
    """Index the node's chain, mark, tag, follow under all policies, check, and write the reports."""
    with progress.step("index", "The chain is indexed") as outcome:
        outcome.detail = index_it(followed)
    with progress.step("tags", "The exchange's addresses come as a list of tags") as outcome:
        store = tag(followed)
        outcome.detail = f"{store.lists()[0].tags} addresses"
    told: dict[str, Any] = {}
    with Index.open(followed.index) as index:
        with progress.step("mark", "What was stolen is marked, in the order of report") as outcome:
            case = mark(followed, index)
            outcome.detail = f"{len(case.marks())} marks"
        with progress.step("ready", "Compiled code is made ready (some seconds, the first time on a machine)"):
            report_of(investigate(index, case.marks(), Method(), store), followed, Policy.FIFO)
        for policy in POLICIES:
            with progress.step(policy.value, f"Followed by {policy.value.upper()}") as outcome:
                result = investigate(index, case.marks(), Method(policy), store)
                check(result, followed)
                told[policy.value] = tell(result)
                outcome.detail = line(told[policy.value]["total"])
                _write(result, followed, policy)
    return {"where": told, "report": str(followed.folder / "fifo.html"), "folder": str(followed.folder)}


def index_it(followed: Followed) -> str:
    """Bring the index to the node's tip."""
    with NodeSource(followed.url, followed.credentials) as source:
        status = build(followed.index, source)
    return f"{status.blocks} blocks, {status.txs} chain txs, {status.outputs} outputs"


def tag(followed: Followed) -> TagStore:
    """Write the exchange's list as a file, and import it."""
    path = followed.folder / "exchange-tags.csv"
    tags = [
        Tag(
            chain=REGTEST_BTC.chain_id,
            address=address,
            label=_LABEL,
            category=Category.EXCHANGE,
            actor=_LABEL,
            source="the demonstration",
            source_date=_DAY,
            confidence=100,
            licence="CC0-1.0",
            uri="",
        )
        for address in followed.exchange
    ]
    csv.write(path, tags, source="the demonstration", as_of=_DAY)
    store = TagStore.open(followed.folder / "tags")
    import_list(store, "exchange", ListFormat.CSV, path, NOTHING)
    return TagStore.open(followed.folder / "tags")


def mark(followed: Followed, index: Index) -> Case:
    """Report the thefts."""
    case = Case.create(followed.folder / "case")
    for claim, outpoint, reporter in followed.marks:
        made = CaseMark(
            claim, index.chain, Place.OUTPUT, outpoint, REGTEST_BTC.id, None, None, reporter, "the demonstration", _DAY
        )
        case.report(made)
    return case


def check(result: Result, followed: Followed) -> None:
    """See that no satoshi was made or lost, that the node has what is held, and that services are the exchange.

    Raises ``DemonstrationError``.
    """
    index, answer = result.index, result.answer
    for claim, sums in answer.totals().items():
        found = sum(value for name, value in sums.items() if name != "marked")
        if answer.question.policy is not Policy.POISON and found != sums["marked"]:
            message = f"of {claim} {sums['marked']} satoshi were marked and {found} found"
            raise DemonstrationError(message)
    for row in answer.held:
        txid, number = index.columns.outpoint_text(row.output).split(":")
        known = followed.rpc("gettxout", txid, int(number))
        if known is None or row.value > int(Decimal(known["value"]).scaleb(8)):
            message = f"the node does not have {row.value} satoshi unspent at {txid}:{number}"
            raise DemonstrationError(message)
    for service in answer.services:
        if index.address_text(int(index.columns.output_address[service.output])) not in followed.exchange:
            message = f"output {index.columns.outpoint_text(service.output)} is not the exchange's"
            raise DemonstrationError(message)


def tell(result: Result) -> dict[str, Any]:
    """Give where the money is, base units as text."""
    totals = result.answer.totals()
    summed = {name: sum(sums[name] for sums in totals.values()) for name in next(iter(totals.values()))}
    return {
        "total": {name: str(value) for name, value in summed.items()},
        "claims": {claim: {name: str(value) for name, value in sums.items()} for claim, sums in totals.items()},
        "provenance": result.provenance.sha256,
    }


def line(sums: dict[str, str]) -> str:
    """Say sums in one line."""
    return ", ".join(f"{name} {Amount(REGTEST_BTC, int(value))}" for name, value in sums.items() if int(value))


def watch_once(followed: Followed) -> list[Line]:
    """Look once what moved since the last look."""
    index_it(followed)
    case, store = Case.open(followed.folder / "case"), TagStore.open(followed.folder / "tags")
    log = Log(case.folder, log_name(REGTEST_BTC.chain_id, Method(), through=False))
    with log.held(), Index.open(followed.index) as index:
        result = investigate(index, case.marks(), Method(), store)
        log.see(moves_of(index, result.answer), blocks_of(index))
        lines = log.untold()
        if lines:
            log.note_told(lines[-1])
    return lines


def where(report: dict[str, Any]) -> str:
    """Say where the money is, for people."""
    lines = ["", "Where the money is:"]
    lines += [f"  {policy:8} {line(told['total'])}" for policy, told in report["where"].items()]
    lines.append("  (poison names whole outputs: its values do not add up to what was stolen)")
    lines += ["", f"Reports, tables, case and index: {report['folder']}", f"Open {report['report']}"]
    return "\n".join(lines)


def _write(result: Result, followed: Followed, policy: Policy) -> None:
    write(report_of(result, followed, policy), followed.folder / f"{policy.value}.html")
    export(followed.folder / policy.value, result.tables, result.provenance, Format.PARQUET)


def report_of(result: Result, followed: Followed, policy: Policy) -> Report:
    """Make the report of a policy's answer."""
    title = f"{followed.title}, followed by {policy.value.upper()}"
    return report_of_coins(result.index, result.answer, result.tables, result.provenance, title=title, on=_DAY)
