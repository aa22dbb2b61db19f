"""Watching marked money: each of its moves is told once, in order, across restarts and reorgs.

What a reorg took back is told as undone. Beside a case's marks stands a log for each method: first the events are on
the disk, then they are told, then it is noted how far they were told. After a crash the last ones may be told again,
with the same numbers; none is ever left out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from strongroom_tracing.columns import UNSPENT
from strongroom_tracing.index.service import Index
from strongroom_tracing.marks.store import append_lines, locked, read_lines
from strongroom_tracing.provenance import canonical_json
from strongroom_tracing.taint.answer import Answer
from strongroom_tracing.taint.model import FEE_OF_TX, Move

MOVED, UNDONE = "moved", "undone"
_Event = dict[str, Any]


def moves_of(index: Index, answer: Answer) -> dict[str, _Event]:
    """Give each move of an answer by an id that follows from its content: block, chain tx, places, claim, value.

    A chain tx that a reorg puts into another block is another move: the first is undone, the second told.
    """
    found = {}
    for move in answer.moves:
        event = _event(index, answer, move)
        found[sha256(canonical_json(event)).hexdigest()] = event
    return found


def _event(index: Index, answer: Answer, move: Move) -> _Event:
    columns = index.columns
    block = columns.block_of_tx(move.tx)
    to_fee = move.sink == FEE_OF_TX
    address = -1 if to_fee else int(columns.output_address[move.sink])
    return {
        "height": columns.first_height + block,
        "block": columns.block_hash[block].tobytes()[::-1].hex(),
        "txid": columns.txid_text(move.tx),
        "from": _source(index, move.source),
        "to": "fee" if to_fee else columns.outpoint_text(move.sink),
        "address": None if to_fee else index.address_text(address),
        "service": answer.question.stops.get(address),
        "claim": move.claim,
        "value": str(move.value),
    }


def _source(index: Index, source: int) -> str:
    columns = index.columns
    if source == UNSPENT:
        return "new money"
    if source < 0:
        return "before the index"
    if source >= columns.outputs:
        return f"fee of {columns.txid_text(source - columns.outputs)}"
    return columns.outpoint_text(source)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log: what happened (``moved`` or ``undone``), and its number, which never changes."""

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
        """Give the moves that are not undone."""
        found = {}
        for line in self.lines():
            if line.event == MOVED:
                found[line.id] = line.move
            else:
                found.pop(line.id, None)
        return found

    def see(self, moves: dict[str, _Event]) -> int:
        """Write down what is new and what is gone, the gone first, latest first; how many lines that made."""
        standing = self.standing()
        gone = sorted(
            (key for key in standing if key not in moves), key=lambda key: _order(standing[key], key), reverse=True
        )
        new = sorted((key for key in moves if key not in standing), key=lambda key: _order(moves[key], key))
        events = [(UNDONE, key, standing[key]) for key in gone] + [(MOVED, key, moves[key]) for key in new]
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
        fresh = self._told.with_suffix(".new")
        fresh.write_text(json.dumps({"through": line.number}), encoding="ascii")
        os.replace(fresh, self._told)  # noqa: PTH105 -- the plain call

    def _told_through(self) -> int:
        if not self._told.exists():
            return 0
        return int(json.loads(self._told.read_text(encoding="ascii"))["through"])


def _order(move: _Event, key: str) -> tuple[int, str, str, str]:
    return int(move["height"]), str(move["txid"]), str(move["to"]), key
