"""What is asked of a made-up chain, by us and by the others, and how time and memory are taken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self, TypeVar

import numpy as np
import numpy.typing as npt

from strongroom_tracing.columns import UNSPENT, Columns
from strongroom_tracing.taint.model import Direction, Fees, Limits, Mark, Policy, Question

SEEDS: Final = 5
ROUNDS: Final = 3
Facts = dict[str, float]
Numbers = npt.NDArray[np.int64]
_T = TypeVar("_T")


class Peak:
    """The most anonymous memory of this process within the block, beyond what there was before.

    Not the mapped files.
    """

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._before = self._most = _anonymous()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        self._over.set()
        self._thread.join()
        self._most = max(self._most, _anonymous())

    @property
    def bytes(self) -> int:
        """How much more it was."""
        return self._most - self._before

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self._most = max(self._most, _anonymous())


def _anonymous() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def best(
    work: Callable[[], _T], rounds: int = ROUNDS, clock: Callable[[], float] = time.process_time
) -> tuple[float, _T]:
    """Time some work, and give its last answer.

    The clock is the processor's: what all threads of this process used, which on an idle machine is what a wall's shows
    for one thread, and on a busy one leaves out what others did. What writes to disk is to be given the wall's.
    """
    begun = clock()
    answer = work()
    least = clock() - begun
    for _ in range(rounds - 1):
        begun = clock()
        answer = work()
        least = min(least, clock() - begun)
    return least, answer


def marks_of(columns: Columns) -> Numbers:
    """Choose outputs to mark.

    The new money of the first tenth of blocks, so that taint runs through the whole chain.
    """
    coinbases = columns.block_first_tx[: columns.blocks // 10]
    return columns.tx_first_output[coinbases].copy()


def seeds_of(columns: Columns) -> list[int]:
    """Choose outputs that a thief took: of one coin or more where there are such, spent, by chance."""
    worth = np.flatnonzero((columns.output_value >= 10**8) & (columns.output_spending != UNSPENT))
    return sorted(np.random.Generator(np.random.PCG64(1)).choice(worth, SEEDS, replace=False).tolist())


def question_of(policy: Policy, marks: list[int], hops: int | None = None) -> Question:
    """Ask for a theft of whole outputs."""
    named = tuple(Mark("theft", output) for output in marks)
    return Question(policy, Fees.ABSORBED, Direction.FORWARD, named, limits=Limits(hops=hops))


def amounts_of(columns: Columns, marks: Numbers) -> Numbers:
    """Give the marked amount of every output."""
    amounts = np.zeros(columns.outputs, np.int64)
    amounts[marks] = columns.output_value[marks]
    return amounts


def flags_of(columns: Columns, marks: Numbers) -> npt.NDArray[np.bool_]:
    """Say of every output whether it is marked."""
    flags = np.zeros(columns.outputs, np.bool_)
    flags[marks] = True
    return flags
