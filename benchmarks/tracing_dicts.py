"""The same questions answered by plain Python: dicts, sets and deques, as one writes it first. Slow, and easy to check.

The chain is handed over as a list of chain txs (`Tx`), made beforehand and not counted.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from strongroom_tracing.columns import Columns


class Tx(NamedTuple):
    """One chain tx: its inputs as (output spent, value), its outputs as (output, value, address)."""

    inputs: tuple[tuple[int, int], ...]
    outputs: tuple[tuple[int, int, int], ...]


def chain_of(columns: Columns, txs: int) -> list[Tx]:
    """Give the first chain txs of a chain as Python objects; a coinbase has no inputs."""
    first_input, first_output = columns.tx_first_input[: txs + 1].tolist(), columns.tx_first_output[: txs + 1].tolist()
    spent = columns.input_spent[: first_input[txs]]
    spent_value = np.where(spent >= 0, columns.output_value[spent], 0).tolist()
    value, address = (
        columns.output_value[: first_output[txs]].tolist(),
        columns.output_address[: first_output[txs]].tolist(),
    )
    numbers = spent.tolist()
    made = []
    for tx in range(txs):
        a, b = first_input[tx], first_input[tx + 1]
        c, d = first_output[tx], first_output[tx + 1]
        inputs = tuple(zip(numbers[a:b], spent_value[a:b], strict=True)) if numbers[a] >= 0 else ()
        made.append(Tx(inputs, tuple(zip(range(c, d), value[c:d], address[c:d], strict=True))))
    return made


def haircut(chain: Sequence[Tx], marked: Mapping[int, int]) -> dict[int, int]:
    """Taint in proportion.

    The outputs of a chain tx together get their share rounded down, the fee the rest; each output its part rounded
    down, and one more the largest remainders, of equals the lowest output.
    """
    taint = dict(marked)
    for tx in chain:
        tainted = 0
        for output, _ in tx.inputs:
            tainted += taint.get(output, 0)
        if not tainted:
            continue
        whole = sum(value for _, value, _ in tx.outputs)
        share = tainted * whole // sum(value for _, value in tx.inputs)
        parts = [divmod(value * share, whole) for _, value, _ in tx.outputs]
        missing = share - sum(part for part, _ in parts)
        more = set(sorted(range(len(parts)), key=lambda place: -parts[place][1])[:missing]) if missing else ()
        for place, (output, _, _) in enumerate(tx.outputs):
            part = parts[place][0] + (place in more)
            if part:
                taint[output] = part
    return taint


def poison(chain: Sequence[Tx], marked: Iterable[int]) -> set[int]:
    """Taint every output of a chain tx that spends a tainted one."""
    taint = set(marked)
    for tx in chain:
        for output, _ in tx.inputs:
            if output in taint:
                taint.update(paid for paid, _, _ in tx.outputs)
                break
    return taint


def fifo(columns: Columns, marked: Sequence[int]) -> dict[int, int]:
    """Follow the marked outputs in chain order, first in, first out.

    What is left of the taint on each unspent output.
    """
    lots: dict[int, list[tuple[int, bool]]] = {output: [(int(columns.output_value[output]), True)] for output in marked}
    due = [int(columns.output_spending[output]) for output in marked if columns.output_spending[output] >= 0]
    heapq.heapify(due)
    done = -1
    while due:
        tx = heapq.heappop(due)
        if tx == done:
            continue
        done = tx
        first, last = int(columns.tx_first_output[tx]), int(columns.tx_first_output[tx + 1])
        for output, row in _pour(columns, tx, lots, range(first, last)):
            if output in marked:  # it is marked whole, whatever comes to it
                continue
            lots[output] = row
            if columns.output_spending[output] >= 0:
                heapq.heappush(due, int(columns.output_spending[output]))
    return {
        output: sum(size for size, bad in row if bad)
        for output, row in lots.items()
        if columns.output_spending[output] < 0
    }


def _pour(
    columns: Columns, tx: int, lots: dict[int, list[tuple[int, bool]]], outputs: range
) -> Iterable[tuple[int, list[tuple[int, bool]]]]:
    """Fill outputs in turn from the inputs' lots in turn; give those that get taint."""
    queue: deque[tuple[int, bool]] = deque()
    for place in range(int(columns.tx_first_input[tx]), int(columns.tx_first_input[tx + 1])):
        spent = int(columns.input_spent[place])
        queue.extend(lots.pop(spent, ()) or [(int(columns.output_value[spent]), False)])
    for output in outputs:
        wanted, row = int(columns.output_value[output]), []
        while wanted:
            size, bad = queue.popleft()
            if size > wanted:
                queue.appendleft((size - wanted, bad))
                size = wanted
            row.append((size, bad))
            wanted -= size
        if any(bad for _, bad in row):
            yield output, row


def clusters(chain: Sequence[Tx], skipped: frozenset[int]) -> dict[int, int]:
    """Join the addresses that a chain tx spends from, but for those skipped.

    The lowest address of each one's cluster.
    """
    up: dict[int, int] = {}
    address_of: dict[int, int] = {}
    for number, tx in enumerate(chain):
        address_of.update((output, address) for output, _, address in tx.outputs)
        if number in skipped or len(tx.inputs) < 2:
            continue
        roots = sorted({_root(up, address_of[output]) for output, _ in tx.inputs})
        for root in roots[1:]:
            up[root] = roots[0]
    return {address: _root(up, address) for address in up}


def _root(up: dict[int, int], address: int) -> int:
    while address in up:
        above = up[address]
        if above in up:
            up[address] = up[above]
        address = above
    return address


def longest_path(chain: Sequence[Tx]) -> int:
    """Through how many chain txs money went at most: as many steps does a method take that knows no order."""
    depth: dict[int, int] = {}
    for tx in chain:
        here = 1 + max((depth[output] for output, _ in tx.inputs), default=-1)
        for output, _, _ in tx.outputs:
            depth[output] = here
    return max(depth.values())
