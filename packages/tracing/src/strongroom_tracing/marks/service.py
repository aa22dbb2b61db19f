"""The doors of a case: report a mark, read the marks, find what they mean in an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strongroom_tracing.index.errors import UnknownOutputError
from strongroom_tracing.index.service import Index
from strongroom_tracing.marks import store
from strongroom_tracing.marks.errors import BadMarkError, CaseMissingError, MarkConflictError, NothingMarkedError
from strongroom_tracing.marks.model import CaseMark, Place
from strongroom_tracing.taint.model import Mark


class Case:
    """A folder with the marks of one case."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; ``open`` and ``create`` see to it that it is there."""
        self.folder = folder

    @classmethod
    def open(cls, folder: Path) -> Case:
        """Open a case. Raises ``CaseMissingError``."""
        if not (folder / store.MARKS_FILE).exists():
            message = f"there is no case in {folder}; `strongroom-trace mark` begins one"
            raise CaseMissingError(message)
        return cls(folder)

    @classmethod
    def create(cls, folder: Path) -> Case:
        """Open a case, or begin one; a folder with other things in it is left alone. Raises ``CaseMissingError``."""
        if folder.exists() and not folder.is_dir():
            message = f"{folder} is a file; name a folder for the case"
            raise CaseMissingError(message)
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder)

    def marks(self) -> tuple[CaseMark, ...]:
        """Give all marks in the order of report. Raises ``CaseDamagedError``."""
        return store.read_marks(self.folder)

    def report(self, mark: CaseMark) -> bool:
        """Add a mark; False where the very same one stands already.

        Raises ``MarkConflictError`` where the claim marks that place in other words, ``CaseBusyError``,
        ``CaseDamagedError``.
        """
        with store.locked(self.folder):
            for number, known in enumerate(self.marks(), 1):
                if known == mark:
                    return False
                if known.identity == mark.identity:
                    message = (
                        f"claim {mark.claim} marks {mark.where} already, in line {number} of the case, with another "
                        "amount, height, reporter, reference or day; marks are never changed: use another claim"
                    )
                    raise MarkConflictError(message)
            store.append_mark(self.folder, mark)
        return True


def check_in(index: Index, mark: CaseMark) -> int:
    """See that a mark is there in an index of its chain, and give the base units that it marks.

    Raises ``BadMarkError``, ``UnknownOutputError``.
    """
    columns = index.columns
    outputs = _outputs(index, mark)
    if not outputs:
        message = f"{mark.where} received nothing through height {mark.through} on {mark.chain}; is it of this chain?"
        raise BadMarkError(message)
    value = sum(int(columns.output_value[output]) for output in outputs)
    if mark.amount is not None and mark.amount > value:
        message = f"{mark.where} holds {value} base units; {mark.amount} cannot be stolen of it"
        raise BadMarkError(message)
    return mark.amount if mark.amount is not None else value


@dataclass(frozen=True, slots=True)
class Resolved:
    """What marks mean in an index: outputs, in the order of report, and the marks that mean nothing there.

    A mark was in the chain when it was reported, so one that is absent was taken away by a reorg, or the index has not
    come so far.
    """

    marks: tuple[Mark, ...]
    absent: tuple[CaseMark, ...]


def resolve(index: Index, marks: Sequence[CaseMark]) -> Resolved:
    """Find what marks of the index's chain mean; others are for other indexes. Raises ``NothingMarkedError``."""
    found: dict[tuple[str, int], int | None] = {}
    absent = []
    here = [mark for mark in marks if mark.chain == index.chain and mark.place is not Place.TRANSFER]
    for mark in here:
        try:
            outputs = _outputs(index, mark)
        except UnknownOutputError:
            outputs = []
        if not outputs:
            absent.append(mark)
        for output in outputs:
            _keep_larger(found, (mark.claim, output), mark.amount)
    if not here:
        message = f"the case marks nothing on {index.chain}; `strongroom-trace mark` adds marks"
        raise NothingMarkedError(message)
    return Resolved(tuple(Mark(claim, output, amount) for (claim, output), amount in found.items()), tuple(absent))


def _keep_larger(found: dict[tuple[str, int], int | None], key: tuple[str, int], amount: int | None) -> None:
    """A claim that marks an output twice (by itself and by its address) means the larger part of it, never the sum."""
    if key in found:
        known = found[key]
        amount = None if known is None or amount is None else max(known, amount)
    found[key] = amount


def _outputs(index: Index, mark: CaseMark) -> list[int]:
    if mark.place is Place.OUTPUT:
        return [index.find_output(mark.where)]
    number = index.find_address(mark.where)
    if number is None or mark.through is None:
        return []
    columns = index.columns
    block = min(mark.through - columns.first_height + 1, columns.blocks)
    if block <= 0:
        return []
    end = int(columns.tx_first_output[columns.block_first_tx[block]])
    return [int(output) for output in np.flatnonzero(columns.output_address[:end] == number)]
