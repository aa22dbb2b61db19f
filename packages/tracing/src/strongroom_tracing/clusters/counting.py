"""Sorting and counting the few values of one chain tx, compiled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from strongroom_tracing.compiled import compiled

_Numbers = npt.NDArray[np.int64]


@compiled
def sort(values: _Numbers) -> None:
    """Sort in place by Shell's method (gaps of Ciura 2001); a tx's few values are not worth a larger sort."""
    for gap in (701, 301, 132, 57, 23, 10, 4, 1):
        for at in range(gap, len(values)):
            value = values[at]
            place = at
            while place >= gap and values[place - gap] > value:
                values[place] = values[place - gap]
                place -= gap
            values[place] = value


@compiled
def sort_pairs(values: _Numbers, others: _Numbers) -> None:
    """Sort both in place as ``sort`` does, by the values and then by what stands beside them."""
    for gap in (701, 301, 132, 57, 23, 10, 4, 1):
        for at in range(gap, len(values)):
            value, other = values[at], others[at]
            place = at
            while place >= gap and (
                values[place - gap] > value or (values[place - gap] == value and others[place - gap] > other)
            ):
                values[place], others[place] = values[place - gap], others[place - gap]
                place -= gap
            values[place], others[place] = value, other


@compiled
def commonest(values: _Numbers, low: int, high: int) -> tuple[int, int]:
    """Give the commonest of sorted values within ``[low, high]`` (of equals the largest) and how often.

    (0, 0) for none.
    """
    best, times, run = 0, 0, 0
    for at in range(len(values)):
        value = values[at]
        run = run + 1 if at > 0 and values[at - 1] == value else 1
        if low <= value <= high and run >= times:
            best, times = value, run
    return best, times


@compiled
def distinct(values: _Numbers) -> int:
    """Count the different ones of sorted values."""
    count = 0
    for at in range(len(values)):
        if at == 0 or values[at - 1] != values[at]:
            count += 1
    return count
