"""The doors of a case: report a mark, read the marks, find what they mean in an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.index.errors import UnknownOutputError
from strongroom_tracing.index.service import Index
from strongroom_tracing.marks import store
from strongroom_tracing.marks.errors import BadMarkError, CaseMissingError, MarkConflictError, NothingMarkedError
from strongroom_tracing.marks.model import CaseMark, Place
from strongroom_tracing.taint.model import Mark

_CHUNK: Final = 1 << 22  # outputs looked at in one step


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
    outputs = [index.find_output(mark.where)] if mark.place is Place.OUTPUT else _all_received(index, mark)
    value = int(index.columns.output_value[outputs].sum())
    if mark.amount is not None and mark.amount > value:
        message = f"{mark.where} holds {value} base units; {mark.amount} cannot be stolen of it"
        raise BadMarkError(message)
    return mark.amount if mark.amount is not None else value


def _all_received(index: Index, mark: CaseMark) -> list[int]:
    """Give the outputs of an address mark. One that names money to come would be older than the theft: none of that."""
    if mark.through is not None and mark.through > index.tip.height:
        message = (
            f"the index of {mark.chain} goes to height {index.tip.height}, so nobody can say yet what {mark.where} "
            f"received through {mark.through}; money that is still to come is marked when it has come"
        )
        raise BadMarkError(message)
    outputs = _outputs(index, mark, _received(index, [mark]))
    if not outputs:
        message = f"{mark.where} received nothing through height {mark.through} on {mark.chain}; is it of this chain?"
        raise BadMarkError(message)
    return outputs


@dataclass(frozen=True, slots=True)
class Resolved:
    """What marks mean in an index: outputs, in the order of report, and the marks that mean nothing there.

    An output stands there once for each mark that means it: which of a claim's marks is older tells who wins.

    A mark was in the chain when it was reported, so one that is absent was taken away by a reorg, or the index has not
    come so far.
    """

    marks: tuple[Mark, ...]
    absent: tuple[CaseMark, ...]


def resolve(index: Index, marks: Sequence[CaseMark]) -> Resolved:
    """Find what marks of the index's chain mean; others are for other indexes. Raises ``NothingMarkedError``.

    All addresses are looked for in one pass over the chain's outputs.
    """
    here = [mark for mark in marks if mark.chain == index.chain and mark.place is not Place.TRANSFER]
    if not here:
        message = f"the case marks nothing on {index.chain}; `strongroom-trace mark` adds marks"
        raise NothingMarkedError(message)
    received = _received(index, here)
    found = [(mark, _outputs(index, mark, received)) for mark in here]
    return Resolved(
        tuple(Mark(mark.claim, output, mark.amount) for mark, outputs in found for output in outputs),
        tuple(mark for mark, outputs in found if not outputs),
    )


def _received(index: Index, marks: Sequence[CaseMark]) -> Mapping[str, npt.NDArray[np.int64]]:
    """Give, for every address that is marked and known, the outputs that it ever received, in chain order."""
    numbers = index.addresses_of({mark.where for mark in marks if mark.place is Place.ADDRESS})
    if not numbers:
        return {}
    column, wanted = index.columns.output_address, np.unique(np.array(list(numbers.values()), np.int64))
    hits = np.concatenate([_hits(column, wanted, begin) for begin in range(0, len(column), _CHUNK)])
    addresses = column[hits]
    return {text: hits[addresses == number] for text, number in numbers.items()}


def _hits(column: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64], begin: int) -> npt.NDArray[np.int64]:
    part = column[begin : begin + _CHUNK]
    places = np.minimum(np.searchsorted(wanted, part), len(wanted) - 1)
    return np.flatnonzero(wanted[places] == part) + begin


def _outputs(index: Index, mark: CaseMark, received: Mapping[str, npt.NDArray[np.int64]]) -> list[int]:
    """Give the outputs that a mark means; none where it means nothing in the index."""
    if mark.place is Place.OUTPUT:
        try:
            return [index.find_output(mark.where)]
        except UnknownOutputError:
            return []
    outputs, columns = received.get(mark.where), index.columns
    if outputs is None or mark.through is None:
        return []
    block = min(mark.through - columns.first_height + 1, columns.blocks)
    if block <= 0:
        return []
    end = int(columns.tx_first_output[columns.block_first_tx[block]])
    found: list[int] = outputs[outputs < end].tolist()
    return found
