"""Pieces of bytes put end to end."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from strongroom_tracing.compiled import compiled
from strongroom_tracing.index.runs import frozen

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


def gathered(data: Bytes, at: Numbers, length: Numbers) -> Bytes:
    """Copy ``data[at:at + length]`` for each place, end to end; numpy's indexing would take many times the memory."""
    out = np.empty(int(length.sum()), np.uint8)
    _gather(frozen(data), frozen(at), frozen(length), out)
    return out


@compiled
def _gather(data: Bytes, at: Numbers, length: Numbers, out: Bytes) -> None:
    to = 0
    for piece in range(len(at)):
        for i in range(length[piece]):
            out[to + i] = data[at[piece] + i]
        to += length[piece]
