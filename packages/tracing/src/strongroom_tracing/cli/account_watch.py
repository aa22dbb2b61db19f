"""`evm watch`: the tips of account chains are followed, and each move of marked money told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Final, Self

import typer

from strongroom_tracing.accounts import service
from strongroom_tracing.accounts.cases import Case
from strongroom_tracing.accounts.errors import IndexBusyError, ReorgedError, SourceError
from strongroom_tracing.accounts.sources.rpc import RpcSource
from strongroom_tracing.accounts.watching import TO_GAS, blocks_of, log_name, moves_of
from strongroom_tracing.cli import account_asking as asking
from strongroom_tracing.cli import basis
from strongroom_tracing.cli.asking import PolicyOption, Through, store_of
from strongroom_tracing.cli.context import TAGS_DEFAULT, AsJson, TagsFolder, day, emit, note, say
from strongroom_tracing.cli.errors import UsageError
from strongroom_tracing.tags.store import TagStore
from strongroom_tracing.taint.model import Direction, Policy
from strongroom_tracing.watching import REVISED, UNDONE, Line, Log

_PATIENCE_SECONDS: Final = 60.0  # between two tries at a node that does not answer


def watch(
    case: asking.CaseFile,
    folders: asking.Folders,
    node: Annotated[
        list[str] | None, typer.Option(help="URL of a node's RPC without a key in it; one for each --index, in order.")
    ] = None,
    node_file: Annotated[
        list[Path] | None, typer.Option(help="File with the URL, where it holds a key; one for each --index, in order.")
    ] = None,
    tags: TagsFolder = TAGS_DEFAULT,
    policy: PolicyOption = Policy.FIFO,
    hops: asking.Hops = None,
    smallest: asking.Smallest = "",
    busy: asking.Busy = None,
    swap_events: asking.SwapEvents = False,
    through: Through = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks at the node.", min=0.1)] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end, for cron.")] = False,
    from_now: Annotated[bool, typer.Option("--from-now", help="Take what moved until now as told.")] = False,
    as_json: AsJson = False,
) -> None:
    """Follow nodes' tips and tell each move of marked money once, numbered; what a reorg took back is told as undone.

    What the case or lists make of a move that was told is told as revised. The log stands beside the case, in
    CASE.watch. Survives restarts of itself and of the node. With --json each move is one line of JSON. Ctrl-C ends it.
    """
    urls = _urls(folders, node or [], node_file or [])
    for folder in folders:
        if service.status(folder) is None:
            message = f"there is no index in {folder}: `strongroom-trace evm index` begins one"
            raise UsageError(message)
    limits = {"hops": hops, "busy": busy, "swap_events": swap_events}
    with _Watch(case, folders, urls, policy, smallest, limits, tags, through=through) as look:
        while True:
            seen = look.once()
            look.tell(silent=from_now, as_json=as_json)
            if once:
                return
            from_now = from_now and look.log is None
            time.sleep(every if seen else max(every, min(every * 10, _PATIENCE_SECONDS)))


def _urls(folders: Sequence[Path], nodes: Sequence[str], files: Sequence[Path]) -> list[str]:
    urls = list(nodes) or [asking.url_in(file) for file in files]
    if len(urls) != len(folders) or (nodes and files):
        message = "name one --node (or one --node-file) for each --index, in the same order"
        raise UsageError(message)
    return urls


@dataclass
class _Watch:
    """One watch, with its connections and its log."""

    case: Path
    folders: Sequence[Path]
    urls: Sequence[str]
    policy: Policy
    smallest: str
    limits: dict[str, Any]
    tags: Path
    through: bool = field(kw_only=True)
    store: TagStore | None = None
    tags_hash: str | None = None
    absent: set[str] = field(default_factory=set)
    sources: dict[str, RpcSource] = field(default_factory=dict)
    log: Log | None = None
    log_name: str = ""
    names: asking.Names | None = None
    open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._disconnect(*self.sources)
        self.open.close()

    def once(self) -> bool:
        """Bring the indexes up to the tips and see what moved; False where that has to be tried again.

        A node does not answer, a chain moves while it is read, an index is in use. What moves on other chains is seen
        all the same: whoever can silence the node of one of them hides nothing there.
        """
        failed = 0
        for folder, url in zip(self.folders, self.urls, strict=True):
            try:
                service.build(folder, self._source(folder, url))
            except (SourceError, ReorgedError, IndexBusyError) as error:
                failed += 1
                self._disconnect(url)
                note(f"{error.code}: {error.message}; trying again")
        if failed < len(self.folders):
            self._see()
        return not failed

    def tell(self, *, silent: bool, as_json: bool) -> None:
        """Tell what was not told yet."""
        if self.log is None or self.names is None:
            return
        for line in self.log.untold():
            if not silent and as_json:
                emit({**line.as_json(), **basis.lists_of(self.store)})
            elif not silent:
                _tell_line(line, self.names)
            self.log.note_told(line)

    def _see(self) -> None:
        case, before = Case.read(self.case), self.tags_hash
        self.store = store = store_of(self.tags, through=self.through)
        self.tags_hash = "" if store is None else store.hash
        if self.tags_hash != before:
            basis.note_lists(store, day(""))
        transfers = service.open_indexes(*self.folders, genuine=case.genuine())
        gone: list[str] = []
        asked = asking.question_of(
            case, transfers, self.policy, Direction.FORWARD, store, self.smallest, absent=gone, **self.limits
        )
        for name in sorted(set(gone) - self.absent):  # once, until it is back
            note(f"absent: {name} is not in the chain now, so nothing of it is followed")
        self.absent = set(gone)
        self.names = asking.Names(transfers.genuine)
        log = self._log(log_name(transfers, asked, through=self.through))
        log.see(moves_of(transfers, service.trace(transfers, asked)), blocks_of(transfers))

    def _log(self, name: str) -> Log:
        """Open the log of this method; of another where the case's limits were changed meanwhile."""
        if self.log is None or self.log_name != name:
            self.open.close()
            folder = self.case.with_name(self.case.name + ".watch")
            folder.mkdir(exist_ok=True)
            self.log, self.log_name = Log(folder, name), name
            self.open.enter_context(self.log.held())
        return self.log

    def _source(self, folder: Path, url: str) -> RpcSource:
        """Connect, or stay connected: a new connection asks the node for a whole block's traces."""
        if url not in self.sources:
            self.sources[url] = RpcSource(url)
        found, known = self.sources[url], service.status(folder)
        if known is not None and known.traced and not found.traced:
            message = f"the node of {folder} does not trace now, and the index has traces"
            raise SourceError(message)
        return found

    def _disconnect(self, *urls: str) -> None:
        for url in urls:
            if url in self.sources:
                self.sources.pop(url).close()


def _tell_line(line: Line, names: asking.Names) -> None:
    move = line.move
    gone = move["value"] is None
    value = names.money(move["asset"], int(move["was"]["value"] if gone else move["value"]))
    where = "gas" if move["to"] == TO_GAS else f"{move['to']} ({move['transfer']})"
    label = f", service {move['service']}" if move["service"] else ""
    head = {UNDONE: "UNDONE by a reorg: ", REVISED: f"REVISED{', no longer followed' if gone else ''}: "}
    way = f"from {move['from']} to {where}{label}, {move['chain']} height {move['height']}"
    say(f"{line.number}. {head.get(line.event, '')}{value} of {move['claim']} {way}")
