"""Poison and haircut over a whole chain in one pass: for risk scores of all outputs, not for one case.

One claim, forward, fees absorbed, no stops; otherwise the very same rules as ``service.trace``, to the base unit. A
pass reads the inputs in chain order and costs the same however much is tainted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from strongroom_tracing.columns import Columns
from strongroom_tracing.compiled import compiled_lean
from strongroom_tracing.taint.engine import chain_of
from strongroom_tracing.taint.exact import multiply_divide
from strongroom_tracing.taint.machine import layout as at
from strongroom_tracing.taint.machine.layout import Array, Chain
from strongroom_tracing.taint.machine.spreading import sort_heaviest_first


def haircut_all(columns: Columns, amounts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give the taint of every output under haircut, base units, from the marked base units of every output.

    A mark on an output that taint flows into counts for what is not tainted anyway. See ``model`` for sources.
    """
    taint = np.ascontiguousarray(amounts, dtype=np.int64).copy()
    widest = int(np.diff(columns.tx_first_output).max(initial=0))
    _haircut(chain_of(columns), taint, np.zeros((widest, 8), dtype=np.int64))
    return taint


def poison_all(columns: Columns, flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Tell of every output whether poison reaches it, from whether it is marked. Worthless outputs hold no taint."""
    bits = np.packbits(np.asarray(flags, dtype=np.bool_) & (np.asarray(columns.output_value) > 0), bitorder="little")
    _poison(chain_of(columns), bits)
    return np.unpackbits(bits, count=columns.outputs, bitorder="little").view(np.bool_)


@compiled_lean
def _share_out(chain: Chain, taint: Array, slots: Array, tx: int, amount: int, whole: int) -> None:
    """Deal out ``amount`` over the outputs: floors, then one base unit each to the largest remainders."""
    first = chain.tx_first_output[tx]
    n = chain.tx_first_output[tx + 1] - first
    left = amount
    for i in range(n):
        share, slots[i, at.WEIGHT] = multiply_divide(amount, chain.output_value[first + i], whole)
        slots[i, at.VALUE] = share
        left -= share
    if left > 0:
        sort_heaviest_first(slots, n)
    for i in range(left):
        slots[slots[i, at.ORDER], at.VALUE] += 1
    for i in range(n):
        taint[first + i] = max(taint[first + i], slots[i, at.VALUE])


@compiled_lean
def _haircut(chain: Chain, taint: Array, slots: Array) -> None:  # noqa: C901 - compiled: calls cost
    """One and two outputs, nearly all chain txs, need at most one division.

    Two remainders are 0 or ``whole`` together.
    """
    for tx in range(len(chain.tx_first_input) - 1):
        amount = at.ZERO
        total = at.ZERO
        for i in range(chain.tx_first_input[tx], chain.tx_first_input[tx + 1]):
            spent = chain.input_spent[i]
            if spent >= 0:
                amount += taint[spent]
                total += chain.output_value[spent]
            elif spent < -1:
                total += max(chain.external_value[-2 - spent], 0)
        if amount == 0:
            continue
        whole = at.ZERO
        first, last = chain.tx_first_output[tx], chain.tx_first_output[tx + 1] - 1
        for output in range(first, last + 1):
            whole += chain.output_value[output]
        if total > whole:  # else there is no fee; inputs of unknown value bring what the outputs need
            amount, _ = multiply_divide(amount, whole, total)
        if amount == 0:
            continue
        if last == first:
            taint[first] = max(taint[first], amount)
        elif last == first + 1:
            share, rest = multiply_divide(amount, chain.output_value[first], whole)
            share += 1 if 2 * rest >= whole else 0
            taint[first] = max(taint[first], share)
            taint[last] = max(taint[last], amount - share)
        else:
            _share_out(chain, taint, slots, tx, amount, whole)


@compiled_lean
def _poison(chain: Chain, bits: npt.NDArray[np.uint8]) -> None:
    """One bit for each output, so that the whole chain's taint stays near the processor."""
    for tx in range(len(chain.tx_first_input) - 1):
        for i in range(chain.tx_first_input[tx], chain.tx_first_input[tx + 1]):
            spent = chain.input_spent[i]
            if spent >= 0 and bits[spent >> 3] & (1 << (spent & 7)):
                for output in range(chain.tx_first_output[tx], chain.tx_first_output[tx + 1]):
                    if chain.output_value[output] > 0:
                        bits[output >> 3] |= 1 << (output & 7)
                break
