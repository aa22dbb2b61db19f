"""`watch`: the tip of a node is followed, and each move of marked money told."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom_core.assets import Asset
from strongroom_tracing.cli import asking, basis
from strongroom_tracing.cli.context import (
    INDEX_DEFAULT,
    TAGS_DEFAULT,
    AsJson,
    CaseFolder,
    IndexFolder,
    TagsFolder,
    coin_of,
    day,
    emit,
    money,
    note,
    say,
)
from strongroom_tracing.cli.indexing import Cookie, Node, node_of
from strongroom_tracing.index import builder
from strongroom_tracing.index.errors import BadBlockError, IndexBusyError, SourceError
from strongroom_tracing.index.service import Index, folder_status
from strongroom_tracing.investigation import Method, question_of
from strongroom_tracing.marks.model import CaseMark
from strongroom_tracing.marks.service import Case, resolve
from strongroom_tracing.tags.store import TagStore
from strongroom_tracing.taint.model import Direction, Fees, Policy
from strongroom_tracing.taint.service import trace
from strongroom_tracing.watching import REVISED, UNDONE, Line, Log, blocks_of, log_name, moves_of

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

    What further marks or other lists make of a move that was told is told as revised. Survives restarts of itself and
    of the node. With --json each move is one line of JSON. Ctrl-C ends it.
    """
    chain = folder_status(folder).chain
    method = asking.method_of(chain, policy, Direction.FORWARD, fees, hops, smallest, None, confidence)
    log = Log(Case.open(case).folder, log_name(chain, method, through=through))
    looked = _Looked(asking.store_of(tags, through=through))
    with log.held():
        while True:
            seen = _look(folder, node, credentials, case, log, method, looked)
            _tell(log, coin_of(chain), looked.store, silent=from_now, as_json=as_json)
            if once:
                return
            from_now = False if seen else from_now
            time.sleep(every if seen else max(every, min(every * 10, _PATIENCE_SECONDS)))


@dataclass(slots=True)
class _Looked:
    """What the last look saw. The same tip, marks and lists say the same, so that nothing is asked again then."""

    store: TagStore | None
    basis: tuple[str, tuple[CaseMark, ...], str] | None = None
    absent: frozenset[str] = frozenset()


def _look(
    folder: Path,
    node: str,
    credentials: Path | None,
    case: Path,
    log: Log,
    method: Method,
    looked: _Looked,
) -> bool:
    """Bring the index up to the tip and see what moved; False where that has to be tried again.

    The node does not answer, the chain moves while it is read, the index is in use.
    """
    try:
        with node_of(node, credentials) as source:
            builder.build(folder, source)
        with Index.open(folder) as index:
            _see(index, Case.open(case).marks(), log, method, looked)
    except (SourceError, IndexBusyError, BadBlockError) as error:
        note(f"{error.code}: {error.message}; trying again")
        return False
    return True


def _see(index: Index, marks: tuple[CaseMark, ...], log: Log, method: Method, looked: _Looked) -> None:
    if looked.store is not None:
        looked.store.refresh()
    data = index.dataset_hash(index.tip.height)
    rests_on = (data, marks, "" if looked.store is None else looked.store.hash)
    if rests_on == looked.basis:
        return
    if looked.basis is None or rests_on[2] != looked.basis[2]:
        basis.note_lists(looked.store, day(""))
    found = resolve(index, marks)
    gone = frozenset(f"{mark.where} of {mark.claim}" for mark in found.absent)
    for mark in sorted(gone - looked.absent):  # once, until it is back
        note(f"absent: {mark} is not in the chain now, so nothing of it is followed")
    looked.absent = gone
    answer = trace(index.columns, question_of(index, found, method, looked.store))
    log.see(moves_of(index, answer), blocks_of(index))
    looked.basis = rests_on


def _tell(log: Log, asset: Asset, store: TagStore | None, *, silent: bool, as_json: bool) -> None:
    for line in log.untold():
        if not silent and as_json:
            emit({**line.as_json(), **basis.lists_of(store)})
        elif not silent:
            _tell_line(line, asset)
        log.note_told(line)


def _tell_line(line: Line, asset: Asset) -> None:
    move = line.move
    gone = move["value"] is None
    value = money(asset, int(move["was"]["value"] if gone else move["value"]))
    where = f"{move['address']} ({move['to']})" if move["address"] else "the fee"
    service = f", service {move['service']}" if move["service"] else ""
    head = {UNDONE: "UNDONE by a reorg: ", REVISED: f"REVISED{', no longer followed' if gone else ''}: "}
    way = f"from {move['from']} to {where}{service}, height {move['height']}"
    say(f"{line.number}. {head.get(line.event, '')}{value} of {move['claim']} {way}")
