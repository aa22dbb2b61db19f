"""Watching marked money: each of its moves is told once, in order, across restarts and reorgs.

What a reorg took back is told as undone; what further marks or other lists make of a move that stands in the chain, as
revised. Beside a case's marks stands a log for each chain and method: first the events are on the disk, then they are
told, then it is noted how far they were told. After a crash the last ones may be told again, with the same numbers;
none is ever left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from strongroom_tracing.index.service import Index
from strongroom_tracing.investigation import Method
from strongroom_tracing.marks.store import append_lines, locked, read_lines, write_whole
from strongroom_tracing.provenance import canonical_json
from strongroom_tracing.taint.answer import Answer
from strongroom_tracing.taint.model import FEE_OF_TX
from strongroom_tracing.taint.naming import Names

MOVED, REVISED, UNDONE = "moved", "revised", "undone"
#: What marks and lists say of a move, and the chain does not: another word of theirs makes no other move.
_SAID: Final = ("value", "service")
_Event = dict[str, Any]
HasBlock = Callable[[str, int], bool]
"""Whether a block, by hash and height, is in the chain that was looked at."""


def log_name(chain: str, method: Method, *, through: bool) -> str:
    """Name the log of a chain (CAIP-2) under a method; ``through``: services do not stop the trace."""
    return f"{chain.replace(':', '-')}-{method.name}{'-through' if through else ''}"


def blocks_of(index: Index) -> HasBlock:
    """Say which blocks an index holds."""
    columns = index.columns

    def has(block: str, height: int) -> bool:
        at = height - columns.first_height
        return 0 <= at < columns.blocks and bool(columns.block_hash[at].tobytes()[::-1].hex() == block)

    return has


def moves_of(index: Index, answer: Answer) -> dict[str, _Event]:
    """Give each move of an answer by an id that follows from chain, block, chain tx, places and claim.

    A chain tx that a reorg puts into another block is another move: the first is undone, the second told. What went
    in several parts from one place to the same other is one move.
    """
    found: dict[str, _Event] = {}
    for event in _events(index, answer):
        key = sha256(canonical_json({name: event[name] for name in event if name not in _SAID})).hexdigest()
        if key in found:
            event["value"] = str(int(event["value"]) + int(found[key]["value"]))
        found[key] = event
    return found


def _events(index: Index, answer: Answer) -> Iterator[_Event]:
    moves, say = answer.moves, Names(index.columns, index.address_text)
    txs, sinks = [move.tx for move in moves], [move.sink for move in moves]
    blocks = _blocks(index, say.heights(txs))
    places = (say.txids(txs), say.sources([move.source for move in moves]), say.sinks(sinks), say.addresses(sinks))
    for move, block, txid, source, sink, address in zip(moves, blocks, *places, strict=True):
        yield {
            "chain": index.chain,
            **block,
            "txid": txid,
            "from": source,
            "to": sink,
            "address": address,
            "service": _service(index, answer, move.sink),
            "claim": move.claim,
            "value": str(move.value),
        }


def _blocks(index: Index, heights: Sequence[int]) -> list[_Event]:
    columns = index.columns
    known = {height: columns.block_hash[height - columns.first_height].tobytes()[::-1].hex() for height in set(heights)}
    return [{"height": height, "block": known[height]} for height in heights]


def _service(index: Index, answer: Answer, sink: int) -> str | None:
    if sink == FEE_OF_TX:
        return None
    return _writable(answer.question.stops.get(int(index.columns.output_address[sink])))


def _writable(label: str | None) -> str | None:
    """A list in JSON can hold half of a surrogate pair, which no file can."""
    return None if label is None else label.encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log: what happened, and its number, which never changes.

    ``moved``; ``undone``: its block is no longer in the chain; ``revised``: marks or lists say something else of it,
    and ``was`` holds what was told before. A move that is no longer of marked money at all has the value None then.
    """

    number: int
    event: str
    id: str
    move: _Event

    def as_json(self) -> dict[str, Any]:
        """Give it as it is told."""
        return {"number": self.number, "event": self.event, "id": self.id, **self.move}


class Log:
    """What was seen of marked money under one method, and how far it was told."""

    def __init__(self, folder: Path, name: str) -> None:
        """Name the log in a case's folder; nothing is made before there is something to write."""
        self._folder = folder
        self._name = name
        self._path = folder / f"watch-{name}.jsonl"
        self._told = folder / f"watch-{name}.told"
        self._lines: list[Line] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody else watch with this log meanwhile. Raises ``CaseBusyError``."""
        with locked(self._folder, f".watch-{self._name}.lock"):
            yield

    def lines(self) -> list[Line]:
        """Give everything that was ever seen."""
        if self._lines is None:
            known = read_lines(self._path) if self._path.exists() else []
            self._lines = [Line(item["number"], item["event"], item["id"], item["move"]) for item in known]
        return self._lines

    def standing(self) -> dict[str, _Event]:
        """Give the moves that are neither undone nor revised to nothing, as they were told last."""
        found: dict[str, _Event] = {}
        for line in self.lines():
            if line.event == UNDONE or line.move["value"] is None:
                found.pop(line.id, None)
            else:
                found[line.id] = {name: told for name, told in line.move.items() if name != "was"}
        return found

    def see(self, moves: dict[str, _Event], has_block: HasBlock) -> int:
        """Write down what is new, other and gone, the gone first, latest first; how many lines that made.

        ``has_block`` is asked whether the chain or somebody's word took a move away.
        """
        standing = self.standing()
        gone = sorted(
            (key for key in standing if key not in moves), key=lambda key: _order(standing[key], key), reverse=True
        )
        new = sorted((key for key in moves if moves[key] != standing.get(key)), key=lambda key: _order(moves[key], key))
        events = [_gone(key, standing[key], has_block) for key in gone]
        events += [_new(key, moves[key], standing.get(key)) for key in new]
        lines = [Line(number, *event) for number, event in enumerate(events, len(self.lines()) + 1)]
        if lines:
            append_lines(self._path, [asdict(line) for line in lines])
            self.lines().extend(lines)
        return len(lines)

    def untold(self) -> list[Line]:
        """Give the lines that were not told, as far as anybody noted."""
        return self.lines()[self._told_through() :]

    def note_told(self, line: Line) -> None:
        """Note that everything up to a line was told."""
        write_whole(self._told, canonical_json({"through": line.number}))

    def _told_through(self) -> int:
        """A note that is not there or says nothing that can be means 0: told twice is better than never."""
        try:
            through = json.loads(self._told.read_bytes())["through"]
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return 0
        return through if type(through) is int and 0 <= through <= len(self.lines()) else 0


def _gone(key: str, move: _Event, has_block: HasBlock) -> tuple[str, str, _Event]:
    if has_block(move["block"], move["height"]):
        return REVISED, key, {**move, "value": None, "was": _said(move)}
    return UNDONE, key, move


def _new(key: str, move: _Event, known: _Event | None) -> tuple[str, str, _Event]:
    return (MOVED, key, move) if known is None else (REVISED, key, {**move, "was": _said(known)})


def _said(move: _Event) -> _Event:
    return {name: move[name] for name in _SAID}


def _order(move: _Event, key: str) -> tuple[int, str, str, str]:
    return int(move["height"]), str(move["txid"]), str(move["to"]), key
