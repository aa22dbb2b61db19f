"""`trace` and `export`: where is the money?"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom_core.assets import Asset, network_name
from strongroom_tracing.cli import asking
from strongroom_tracing.cli.context import (
    INDEX_DEFAULT,
    TAGS_DEFAULT,
    AsJson,
    CaseFolder,
    IndexFolder,
    On,
    TagsFolder,
    coin_of,
    day,
    emit,
    money,
    note,
    say,
    show,
)
from strongroom_tracing.export import Format, as_json
from strongroom_tracing.export import export as write_tables
from strongroom_tracing.index.service import Index
from strongroom_tracing.investigation import Result
from strongroom_tracing.provenance import Provenance, tool_name
from strongroom_tracing.report.service import report_of_coins
from strongroom_tracing.report.service import write as write_report
from strongroom_tracing.taint.model import Direction, Fees, Policy

SHOWN = 20


def trace(
    case: CaseFolder,
    folder: IndexFolder = INDEX_DEFAULT,
    tags: TagsFolder = TAGS_DEFAULT,
    policy: asking.PolicyOption = Policy.FIFO,
    direction: asking.DirectionOption = Direction.FORWARD,
    fees: asking.FeesOption = Fees.ABSORBED,
    hops: asking.Hops = None,
    smallest: asking.Smallest = "",
    height: asking.Height = None,
    confidence: asking.Confidence = 0,
    through: asking.Through = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="Also write a self-contained HTML report to this file.")
    ] = None,
    on: On = "",
    as_json_text: AsJson = False,
) -> None:
    """Say where the marked money is now: held, at services (whom to ask), paid as fees, not followed, contested."""
    today, store = day(on), asking.store_of(tags, through=through)
    with Index.open(folder) as index:
        method = asking.method_of(index.chain, policy, direction, fees, hops, smallest, height, confidence)
        result = asking.ask(index, case, method, store, quiet=as_json_text)
        if report is not None:
            title = f"{case.resolve().name}: where the money {'came from' if direction is Direction.BACKWARD else 'is'}"
            made = report_of_coins(index, result.answer, result.tables, result.provenance, title=title, on=today)
            write_report(made, report)
            note(f"report: {report.resolve()}")
        if as_json_text:
            emit({"totals": _totals_text(result), "by_service": _services_text(result), **_tables_text(result)})
        else:
            tell(result, coin_of(index.chain), today)


def export(
    case: CaseFolder,
    into: Annotated[Path, typer.Option("--to", help="Folder for the files; files of other names in it stay.")],
    form: Annotated[
        Format, typer.Option("--format", help="arrow, parquet, csv, json, or stix: addresses with marked money.")
    ] = Format.PARQUET,
    folder: IndexFolder = INDEX_DEFAULT,
    tags: TagsFolder = TAGS_DEFAULT,
    policy: asking.PolicyOption = Policy.FIFO,
    direction: asking.DirectionOption = Direction.FORWARD,
    fees: asking.FeesOption = Fees.ABSORBED,
    hops: asking.Hops = None,
    smallest: asking.Smallest = "",
    height: asking.Height = None,
    confidence: asking.Confidence = 0,
    through: asking.Through = False,
) -> None:
    """Write every row of an answer for other programs, with its provenance; the same question gives the same bytes."""
    store = asking.store_of(tags, through=through)
    with Index.open(folder) as index:
        method = asking.method_of(index.chain, policy, direction, fees, hops, smallest, height, confidence)
        result = asking.ask(index, case, method, store, quiet=False)
        at = datetime.fromtimestamp(int(index.columns.block_time[-1]), UTC)
        for path in write_tables(into, result.tables, result.provenance, form, at=at):
            say(str(path))


def tell(result: Result, asset: Asset, on: date) -> None:
    """Tell an answer to people: sums first, then whom to ask, then where it lies."""
    facts = result.provenance
    policy = result.answer.question.policy
    chain = f"{network_name(asset)} ({facts.chain})"
    how = f"{policy.value.upper()} {facts.method['direction']}, fees {facts.method['fees']}"
    say(f"{how}, {chain} through height {facts.height}")
    if policy is Policy.POISON:
        say("Poison marks whole outputs: they can hold stolen money; the values do not add up to what was stolen.")
    say("")
    totals = result.answer.totals()
    names = [
        name
        for name in next(iter(totals.values()), ())
        if name == "marked" or any(sums[name] for sums in totals.values())
    ]
    rows = [(claim, *(money(asset, sums[name]) for name in names)) for claim, sums in totals.items()]
    show("Where the money is", ("claim", *names), rows, numeric=tuple(names))
    _tell_absent(result)
    _tell_services(result, asset)
    _tell_outputs(result, asset)
    _tell_limits(facts)
    _tell_lists(facts, on)
    say(f"provenance {facts.sha256} ({tool_name()})")


def _tell_absent(result: Result) -> None:
    rows = [(row["where"], row["claim"], row["reporter"]) for row in result.tables["absent"].to_pylist()]
    if rows:
        show("Marked, but absent: not in the chain now, so not followed", ("where", "claim", "reported by"), rows)


def _tell_services(result: Result, asset: Asset) -> None:
    rows = [
        (service, claim, money(asset, value))
        for service, claims in sorted(result.answer.by_service().items(), key=lambda item: -sum(item[1].values()))
        for claim, value in claims.items()
    ]
    others: dict[tuple[str, str], int] = defaultdict(int)
    for lost in result.answer.contested:  # poison follows the later claim too, to where its way ends
        others[lost.service, f"{lost.claim}, after {lost.winner}"] += lost.value
    rows += [(service, claim, money(asset, value)) for (service, claim), value in sorted(others.items()) if service]
    if rows:
        show("Whom to ask", ("service", "claim", "total"), rows, numeric=("total",))


def _tell_outputs(result: Result, asset: Asset) -> None:
    index, answer = result.index, result.answer
    held = sorted(answer.held, key=lambda row: (-row.value, row.output))
    if held:
        more = f", the {SHOWN} largest of {len(held)}; --json and `export` give all" if len(held) > SHOWN else ""
        say(f"Held, not moved yet{more}")
        for row in held[:SHOWN]:  # no table: an outpoint that is cut into lines cannot be copied
            say(f"{money(asset, row.value)}  {row.claim}  {_address(index, row.output)}")
            say(f"    {index.columns.outpoint_text(row.output)}")
        say("")
    reasons: dict[tuple[str, str], list[int]] = defaultdict(list)
    for left in answer.left:
        reasons[left.reason, left.claim].append(left.value)
    if reasons:
        rows = [(why, claim, str(len(v)), money(asset, sum(v))) for (why, claim), v in sorted(reasons.items())]
        show("Not followed further", ("reason", "claim", "outputs", "total"), rows, numeric=("total",))


def _address(index: Index, output: int) -> str:
    return index.address_text(int(index.columns.output_address[output]))


def _tell_limits(facts: Provenance) -> None:
    limits = [f"hops at most {facts.parameters['hops']}"] if facts.parameters["hops"] is not None else []
    if facts.parameters["smallest"] != "0":
        limits.append(
            f"outputs with less than {money(coin_of(facts.chain), int(facts.parameters['smallest']))} not followed"
        )
    if facts.parameters["height_limit"] is not None:
        limits.append(f"height limit {facts.parameters['height_limit']}")
    say(f"Limits: {'; '.join(limits) or 'none'}.")


def _tell_lists(facts: Provenance, on: date) -> None:
    ages = facts.ages(on)
    if not ages:
        say("Lists checked: none, so the trace stopped at no service.")
        return
    said = (f"{item.name} ({item.tags} tags, as of {item.as_of.isoformat()}, {days} days old)" for item, days in ages)
    say(f"Lists checked: {', '.join(said)}. An address that is on none of them is not thereby clean.")


def _totals_text(result: Result) -> dict[str, dict[str, str]]:
    return {claim: _text(sums) for claim, sums in result.answer.totals().items()}


def _services_text(result: Result) -> dict[str, dict[str, str]]:
    return {service: _text(claims) for service, claims in result.answer.by_service().items()}


def _text(sums: dict[str, int]) -> dict[str, str]:
    return {name: str(value) for name, value in sums.items()}


def _tables_text(result: Result) -> dict[str, Any]:
    return as_json(result.tables, result.provenance)
