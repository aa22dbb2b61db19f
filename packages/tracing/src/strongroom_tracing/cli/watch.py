"""`watch`: the tip of a node is followed, and each move of marked money told."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom_core.assets import Asset
from strongroom_tracing.cli import asking
from strongroom_tracing.cli.context import (
    INDEX_DEFAULT,
    TAGS_DEFAULT,
    AsJson,
    CaseFolder,
    IndexFolder,
    TagsFolder,
    coin_of,
    emit,
    money,
    note,
    say,
)
from strongroom_tracing.cli.indexing import Cookie, Node, node_of
from strongroom_tracing.index import builder
from strongroom_tracing.index.errors import IndexBusyError, SourceError
from strongroom_tracing.index.service import Index, folder_status
from strongroom_tracing.investigation import Method, question_of
from strongroom_tracing.marks.service import Case
from strongroom_tracing.tags.store import TagStore
from strongroom_tracing.taint.model import Direction, Fees, Policy
from strongroom_tracing.taint.service import trace
from strongroom_tracing.watching import UNDONE, Line, Log, moves_of

_PATIENCE_SECONDS: Final = 60.0  # between two tries at a node that does not answer


def watch(
    case: CaseFolder,
    folder: IndexFolder = INDEX_DEFAULT,
    tags: TagsFolder = TAGS_DEFAULT,
    node: Node = "",
    credentials: Cookie = None,
    policy: asking.PolicyOption = Policy.FIFO,
    fees: asking.FeesOption = Fees.ABSORBED,
    hops: asking.Hops = None,
    smallest: asking.Smallest = "",
    confidence: asking.Confidence = 0,
    through: asking.Through = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks at the node.", min=0.1)] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end, for cron.")] = False,
    from_now: Annotated[bool, typer.Option("--from-now", help="Take what moved until now as told.")] = False,
    as_json: AsJson = False,
) -> None:
    """Follow a node's tip and tell each move of marked money once, numbered; what a reorg took back is told as undone.

    Survives restarts of itself and of the node. With --json each move is one line of JSON. Ctrl-C ends it.
    """
    method = asking.method_of(
        folder_status(folder).chain, policy, Direction.FORWARD, fees, hops, smallest, None, confidence
    )
    log = Log(Case.open(case).folder, method.name)
    with log.held():
        while True:
            seen = _look(folder, node, credentials, case, log, method, asking.store_of(tags, through=through))
            _tell(log, coin_of(folder_status(folder).chain), silent=from_now, as_json=as_json)
            if once:
                return
            from_now = False if seen else from_now
            time.sleep(every if seen else max(every, min(every * 10, _PATIENCE_SECONDS)))


def _look(
    folder: Path, node: str, credentials: Path | None, case: Path, log: Log, method: Method, store: TagStore | None
) -> bool:
    """Bring the index up to the tip and see what moved; False where the node does not answer or the index is in use."""
    try:
        with node_of(node, credentials) as source:
            builder.build(folder, source)
    except (SourceError, IndexBusyError) as error:
        note(f"{error.code}: {error.message}; trying again")
        return False
    with Index.open(folder) as index:
        answer = trace(index.columns, question_of(index, Case.open(case).marks(), method, store))
        log.see(moves_of(index, answer))
    return True


def _tell(log: Log, asset: Asset, *, silent: bool, as_json: bool) -> None:
    for line in log.untold():
        if not silent:
            _tell_line(line, asset, as_json=as_json)
        log.note_told(line)


def _tell_line(line: Line, asset: Asset, *, as_json: bool) -> None:
    if as_json:
        emit(line.as_json())
        return
    move = line.move
    value = money(asset, int(move["value"]))
    where = f"{move['address']} ({move['to']})" if move["address"] else "the fee"
    service = f", service {move['service']}" if move["service"] else ""
    undone = "UNDONE by a reorg: " if line.event == UNDONE else ""
    way = f"from {move['from']} to {where}{service}, height {move['height']}"
    say(f"{line.number}. {undone}{value} of {move['claim']} {way}")
