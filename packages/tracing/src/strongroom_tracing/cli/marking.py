"""`mark` and `marks`: what was reported stolen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from strongroom_core.amounts import Amount
from strongroom_core.assets import asset_by_id
from strongroom_tracing.cli.context import (
    INDEX_DEFAULT,
    AsJson,
    CaseFolder,
    IndexFolder,
    coin_of,
    day,
    emit,
    money,
    say,
)
from strongroom_tracing.cli.errors import UsageError
from strongroom_tracing.index.service import Index
from strongroom_tracing.marks import store
from strongroom_tracing.marks.model import CaseMark, Place
from strongroom_tracing.marks.service import Case, check_in

_OUTPOINT = re.compile(r"[0-9a-f]{64}:[0-9]+")


def mark(
    where: Annotated[str, typer.Argument(help="An output, as txid:number, or an address.")],
    case: CaseFolder,
    claim: Annotated[str, typer.Option(help="Name of the theft, as theft-1; marks of one theft share it.")],
    reporter: Annotated[str, typer.Option("--by", help="Who reported it.")],
    reported: Annotated[str, typer.Option("--reported", help="Day of the report, YYYY-MM-DD.")],
    reference: Annotated[str, typer.Option("--reference", help="File number, message or link of the report.")] = "",
    amount: Annotated[
        str, typer.Option(help="How much of the output is stolen, in coins, as 1.5; all where left out.")
    ] = "",
    through: Annotated[
        int | None,
        typer.Option(help="For an address: the last height whose payments count; the tip where left out.", min=0),
    ] = None,
    folder: IndexFolder = INDEX_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Mark stolen money: an output, or all that an address received up to a height. The first report of money wins.

    Marks are never changed or taken back. The same report twice changes nothing.
    """
    if not reported:
        message = "say on which day it was reported: --reported 2026-11-22"
        raise UsageError(message)
    with Index.open(folder) as index:
        asset = coin_of(index.chain)
        place = Place.OUTPUT if _OUTPOINT.fullmatch(where) else Place.ADDRESS
        made = CaseMark(
            claim=claim,
            chain=index.chain,
            place=place,
            where=where,
            asset=asset.id,
            amount=Amount.parse(amount, asset).base_units if amount else None,
            through=_through(index, case, claim, where, through) if place is Place.ADDRESS else through,
            reporter=reporter,
            reference=reference,
            reported=day(reported),
        )
        value = check_in(index, made)
    new = Case.create(case).report(made)
    if as_json:
        emit({"new": new, "value": str(value), **made.as_json()})
    else:
        received = (
            f", all that it received through height {made.through} (--through)" if made.through is not None else ""
        )
        say(f"{'marked' if new else 'already marked'}: {money(asset, value)} at {where}{received}; claim {claim}")


def marks(case: CaseFolder, as_json: AsJson = False) -> None:
    """List what is marked, in the order of report."""
    found = Case.open(case).marks()
    if as_json:
        emit([item.as_json() for item in found])
        return
    for number, item in enumerate(found, 1):
        reference = f", {item.reference}" if item.reference else ""
        report = f"reported {item.reported.isoformat()} by {item.reporter}{reference}"
        say(f"{number}. {item.claim}: {_amount(item)}, {report}")
        say(f"    {item.where}")


def _amount(item: CaseMark) -> str:
    if item.through is not None:
        return f"all received through height {item.through}"
    return "all of it" if item.amount is None else money(asset_by_id(item.asset), item.amount)


def _through(index: Index, case: Path, claim: str, where: str, through: int | None) -> int:
    """Where no height is named: that of the same report if it stands already, else the tip's."""
    if through is not None:
        return through
    for known in store.read_marks(case):
        if (known.claim, known.chain, known.where) == (claim, index.chain, where) and known.through is not None:
            return known.through
    return index.tip.height
