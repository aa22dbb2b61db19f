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
from strongroom_core.assets import REGTEST_BTC, Asset, asset_by_id
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
DAY: Final = date(2026, 1, 2)  # of the demonstration's tags and reports: nothing in it depends on today


class DemonstrationError(StrongroomError):
    """Something in the demonstration does not agree."""

    code = "trace-demo"


@dataclass(frozen=True, slots=True)
class CoinMark:
    """An output that was stolen, or ``amount`` satoshi of it, and who reports it."""

    claim: str
    outpoint: str
    reporter: str
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """What is followed: a node, marks and the exchange's addresses; ``take``: what the marks must come to."""

    folder: Path
    url: str
    credentials: Path
    rpc: Rpc
    marks: Sequence[CoinMark]
    exchange: Sequence[str]
    title: str = "A theft played on regtest"
    take: int | None = None

    @property
    def index(self) -> Path:
        """The index's folder."""
        return self.folder / "index"


def follow(followed: Followed, progress: Progress) -> dict[str, Any]:
    """Index the node's chain, mark, tag, follow under all policies, check, and write the reports."""
    with progress.step("index", "The chain is indexed") as outcome:
        outcome.detail = index_it(followed)
    with progress.step("tags", "The exchange's addresses come as a list of tags") as outcome:
        store = tag(followed.folder, REGTEST_BTC.chain_id, followed.exchange)
        outcome.detail = f"{store.lists()[0].tags} addresses"
    told: dict[str, Any] = {}
    with Index.open(followed.index) as index:
        with progress.step("mark", "What was stolen is marked, in the order of report") as outcome:
            case = report_marks(followed, index)
            outcome.detail = f"{len(case.marks())} marks"
        with progress.step("ready", "Compiled code is made ready (some seconds, the first time on a machine)"):
            report_of(investigate(index, case.marks(), Method(), store), followed, Policy.FIFO)
        for policy in POLICIES:
            with progress.step(policy.value, f"Followed by {policy.value.upper()}") as outcome:
                result = investigate(index, case.marks(), Method(policy), store)
                check(result, followed)
                told[policy.value] = tell(result)
                outcome.detail = line(REGTEST_BTC, told[policy.value]["total"])
                _write(result, followed, policy)
    return {
        "where": told,
        "asset": REGTEST_BTC.id,
        "report": str(followed.folder / "fifo.html"),
        "folder": str(followed.folder),
    }


def index_it(followed: Followed) -> str:
    """Bring the index to the node's tip."""
    with NodeSource(followed.url, followed.credentials) as source:
        status = build(followed.index, source)
    return f"{status.blocks} blocks, {status.txs} chain txs, {status.outputs} outputs"


def tag(folder: Path, chain: str, exchange: Sequence[str]) -> TagStore:
    """Write the list of an exchange's addresses on a chain (CAIP-2) as a file, and import it."""
    path = folder / "exchange-tags.csv"
    tags = [
        Tag(
            chain=chain,
            address=address,
            label=_LABEL,
            category=Category.EXCHANGE,
            actor=_LABEL,
            source="the demonstration",
            source_date=DAY,
            confidence=100,
            licence="CC0-1.0",
            uri="",
        )
        for address in exchange
    ]
    csv.write(path, tags, source="the demonstration", as_of=DAY)
    store = TagStore.open(folder / "tags")
    import_list(store, "exchange", ListFormat.CSV, path, NOTHING)
    return TagStore.open(folder / "tags")


def report_marks(followed: Followed, index: Index) -> Case:
    """Report the thefts."""
    case = Case.create(followed.folder / "case")
    for mark in followed.marks:
        where, why = (index.chain, Place.OUTPUT, mark.outpoint), (mark.reporter, "the demonstration", DAY)
        case.report(CaseMark(mark.claim, *where, REGTEST_BTC.id, mark.amount, None, *why))
    return case


def check(result: Result, followed: Followed) -> None:
    """See that no satoshi was made or lost, that the node has what is held, and that services are the exchange.

    Raises ``DemonstrationError``.
    """
    index, answer = result.index, result.answer
    marked, exact = (
        sum(sums["marked"] for sums in answer.totals().values()),
        answer.question.policy is not Policy.POISON,
    )
    if exact and followed.take not in {None, marked}:  # poison marks outputs whole
        message = f"{followed.take} satoshi were taken and {marked} are marked"
        raise DemonstrationError(message)
    for claim, sums in answer.totals().items():
        found = sum(value for name, value in sums.items() if name != "marked")
        if exact and found != sums["marked"]:
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


def line(asset: Asset, sums: dict[str, str]) -> str:
    """Say sums of an asset in one line."""
    return ", ".join(f"{name} {Amount(asset, int(value))}" for name, value in sums.items() if int(value))


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
    """Say where the money is, for people; or why there is none to follow."""
    if "nothing" in report:
        return f"\n{report['nothing']}"
    asset = asset_by_id(report["asset"])
    lines = ["", *([report["said"]] if "said" in report else []), "Where the money is:"]
    lines += [f"  {policy:8} {line(asset, told['total'])}" for policy, told in report["where"].items()]
    whole = "outputs" if asset == REGTEST_BTC else "payments"
    lines.append(f"  (poison names whole {whole}: its values do not add up to what was stolen)")
    lines += ["", f"Reports, tables, case and index: {report['folder']}", f"Open {report['report']}"]
    return "\n".join(lines)


def _write(result: Result, followed: Followed, policy: Policy) -> None:
    write(report_of(result, followed, policy), followed.folder / f"{policy.value}.html")
    export(followed.folder / policy.value, result.tables, result.provenance, Format.PARQUET)


def report_of(result: Result, followed: Followed, policy: Policy) -> Report:
    """Make the report of a policy's answer."""
    title = f"{followed.title}, followed by {policy.value.upper()}"
    return report_of_coins(result.index, result.answer, result.tables, result.provenance, title=title, on=DAY)
