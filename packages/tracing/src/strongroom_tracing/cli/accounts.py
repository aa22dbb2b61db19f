"""`evm index|status|trace|watch`: the same questions on account chains."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import pyarrow.parquet as pq
import typer

from strongroom_tracing.accounts import service
from strongroom_tracing.accounts.answer import AccountAnswer
from strongroom_tracing.accounts.building import BlockSource
from strongroom_tracing.accounts.cases import Case
from strongroom_tracing.accounts.evidence import document, provenance
from strongroom_tracing.accounts.genuine import Genuine
from strongroom_tracing.accounts.model import Limits, Status
from strongroom_tracing.accounts.sources.etl import EtlFiles, EtlSource
from strongroom_tracing.accounts.sources.rpc import RpcSource
from strongroom_tracing.accounts.tables import tables
from strongroom_tracing.cli import account_asking as asking
from strongroom_tracing.cli.account_asking import FOLDER_DEFAULT, Folder, Names
from strongroom_tracing.cli.account_watch import watch
from strongroom_tracing.cli.asking import DirectionOption, PolicyOption, Through, store_of
from strongroom_tracing.cli.basis import tell_lists
from strongroom_tracing.cli.context import TAGS_DEFAULT, AsJson, On, TagsFolder, day, emit, note, progress, say, show
from strongroom_tracing.cli.errors import UsageError
from strongroom_tracing.provenance import Provenance
from strongroom_tracing.report.service import report_of_accounts
from strongroom_tracing.report.service import write as write_report
from strongroom_tracing.taint.model import Direction, Policy

_EXPORTED: Final = ("blocks", "transactions", "logs", "token_transfers", "receipts", "traces")
evm = typer.Typer(name="evm", help="Account chains: index transfers, and follow money there.", no_args_is_help=True)
evm.command()(watch)


@evm.command()
def index(
    folder: Folder = FOLDER_DEFAULT,
    node: Annotated[str, typer.Option(help="URL of a node's RPC without a key in it, as http://127.0.0.1:8545.")] = "",
    node_file: Annotated[Path | None, typer.Option(help="File with the URL, where it holds a key.")] = None,
    etl: Annotated[
        Path | None,
        typer.Option(help="Folder of ethereum-etl's files: blocks, transactions, logs, … .json|csv|parquet."),
    ] = None,
    chain: Annotated[str, typer.Option(help="CAIP-2 id of the chain of --etl.")] = "eip155:1",
    first_height: Annotated[
        int | None, typer.Option(min=0, help="Begin at this block; fixed by the first run.")
    ] = None,
    until: Annotated[int | None, typer.Option(min=0, help="Stop at this block.")] = None,
    as_json: AsJson = False,
) -> None:
    """Build the index of an account chain, or bring it up to the tip; stopped at any moment, it goes on."""
    with _source(node, node_file, etl, chain) as source, progress("blocks", quiet=as_json) as told:
        made = service.build(folder, source, progress=told, until=until, first=first_height)
    _show_status(made, as_json=as_json)


@evm.command()
def status(
    folder: Folder = FOLDER_DEFAULT,
    check: Annotated[bool, typer.Option("--check", help="Also read every file, and say whether it is whole.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say how far an index is."""
    found = service.status(folder)
    if found is not None and check:
        found = service.check(folder)
    if found is None:
        message = f"there is no index in {folder}: `strongroom-trace evm index` builds one"
        raise UsageError(message)
    _show_status(found, as_json=as_json)


@evm.command()
def trace(
    case: asking.CaseFile,
    folders: asking.Folders,
    tags: TagsFolder = TAGS_DEFAULT,
    policy: PolicyOption = Policy.FIFO,
    direction: DirectionOption = Direction.FORWARD,
    hops: asking.Hops = None,
    smallest: asking.Smallest = "",
    block: asking.Block = None,
    busy: asking.Busy = None,
    swap_events: asking.SwapEvents = False,
    through: Through = False,
    into: Annotated[
        Path | None, typer.Option("--to", help="Also write all rows as Parquet, and the answer, here.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Also write a self-contained HTML report to this file.")
    ] = None,
    on: On = "",
    as_json: AsJson = False,
) -> None:
    """Say where the marked money is now, at which services, as which assets."""
    today = day(on)
    told_case, store = Case.read(case), store_of(tags, through=through)
    transfers = service.open_indexes(*folders, genuine=told_case.genuine())
    limits: dict[str, Any] = {"hops": hops, "block": block, "busy": busy, "swap_events": swap_events}
    asked = asking.question_of(told_case, transfers, policy, direction, store, smallest, **limits)
    with progress("chain txs", quiet=as_json) as told:
        answer = service.trace(transfers, asked, told)
    lists, tags_hash = (store.lists(), store.hash) if store is not None else ((), "")
    basis = provenance(transfers, answer, lists=lists, tags_hash=tags_hash)
    if into is not None:
        _write(into, answer, basis)
    if report is not None:
        title = f"{case.stem}: where the money {'came from' if asked.direction is Direction.BACKWARD else 'is'}"
        made = report_of_accounts(answer, transfers.genuine, tables(answer), basis, title=title, on=today)
        write_report(made, report)
        note(f"report: {report.resolve()}")
    if as_json:
        emit(json.loads(document(answer, basis)))
    else:
        _tell(answer, basis, transfers.genuine, today)


@contextmanager
def _source(node: str, node_file: Path | None, etl: Path | None, chain: str) -> Iterator[BlockSource]:
    if sum((bool(node), node_file is not None, etl is not None)) != 1:
        message = "name one source: --node, --node-file or --etl"
        raise UsageError(message)
    if etl is not None:
        yield EtlSource(chain, _etl_files(etl))
        return
    with RpcSource(node or asking.url_in(node_file or Path())) as source:
        yield source


def _etl_files(folder: Path) -> EtlFiles:
    found: dict[str, Any] = {}
    for name in _EXPORTED:
        there = [path for path in (folder / f"{name}.{end}" for end in ("json", "csv", "parquet")) if path.is_file()]
        if there:
            found[name] = there[0]
    missing = [name for name in ("blocks", "transactions") if name not in found]
    if missing:
        message = f"{folder} has no file of {' and '.join(missing)} (such as blocks.json, blocks.csv or blocks.parquet)"
        raise UsageError(message)
    if "logs" not in found and "token_transfers" not in found:
        message = f"{folder} has neither logs nor token_transfers, so no token would be followed: export logs too"
        raise UsageError(message)
    return EtlFiles(**found)


def _write(into: Path, answer: AccountAnswer, basis: Provenance) -> None:
    into.mkdir(parents=True, exist_ok=True)
    for name, table in tables(answer).items():
        pq.write_table(table, into / f"{name}.parquet")
    (into / "answer.json").write_bytes(document(answer, basis) + b"\n")
    note(f"written: {into.resolve()}")


def _show_status(found: Status, *, as_json: bool) -> None:
    if as_json:
        emit(asdict(found))
        return
    inner = "with" if found.traced else "WITHOUT"
    say(f"{found.chain}: blocks {found.first_height} to {found.height}, {found.transfers} rows, {inner} inner payments")


def _tell(answer: AccountAnswer, basis: Provenance, genuine: Genuine, on: date) -> None:
    say(f"{answer.question.policy.value.upper()} {answer.question.direction.value}, {basis.chain}, gas apart")
    if answer.untraced:
        say(f"Without traces, payments inside of contract calls are missing: {', '.join(answer.untraced)}")
    shown = (
        ("At services (whom to ask)", ("service", "claim"), answer.services),
        ("Held", ("address", "claim"), answer.held),
        ("Came from", ("address", "origin", "claim"), answer.sources),
        ("Spent on gas", ("address", "claim"), answer.gas),
        ("Not followed", ("address", "reason", "claim"), answer.left),
        ("Paid beyond what is known", ("address", "transfer"), answer.unknown),
    )
    names = Names(genuine)
    for title, columns, rows in shown:
        if rows:
            sums: dict[tuple[str, ...], int] = {}
            for row in rows:
                key = (*(str(getattr(row, column)) for column in columns), row.asset)
                sums[key] = sums.get(key, 0) + row.value
            lines = [(*key[:-1], names.money(key[-1], value)) for key, value in sorted(sums.items())]
            show(title, (*columns, "value"), lines, numeric=("value",))
    _tell_limits(answer.question.limits, names)
    tell_lists(basis, on, "the trace stopped only where the case says")
    say(f"{len(answer.converted)} conversions, {len(answer.ignored)} ignored transfers, {answer.visited_txs} chain txs")
    say(f"{basis.chain} up to {basis.height}; sha256 of all that this rests on: {basis.sha256}")


def _tell_limits(limits: Limits, names: Names) -> None:
    said = [f"hops at most {limits.hops}"] if limits.hops is not None else []
    said += [
        f"transfers of less than {names.money(asset, least)} not followed"
        for asset, least in sorted(limits.smallest.items())
        if least
    ]
    said += [f"block limit {limits.block}"] if limits.block is not None else []
    if limits.transfers is not None:
        said.append(f"addresses with more than {limits.transfers} transfers of an asset not followed")
    say(f"Limits: {'; '.join(said) or 'none'}.")
