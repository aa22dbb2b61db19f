"""Money that waits for its next chain tx: a heap in chain order, and lots in linked lists that are used again."""

from __future__ import annotations

from strongroom_tracing.compiled import compiled_lean
from strongroom_tracing.taint.machine import layout as at
from strongroom_tracing.taint.machine.layout import Array, Chain, Work


@compiled_lean
def last_at_most(numbers: Array, wanted: int) -> int:
    """Give the place of the last of sorted numbers that is at most ``wanted``, -1 if there is none."""
    low, high = 0, len(numbers)
    while low < high:
        middle = (low + high) // 2
        if numbers[middle] <= wanted:
            low = middle + 1
        else:
            high = middle
    return low - 1


@compiled_lean
def is_coinbase(chain: Chain, tx: int) -> bool:
    """Tell whether a chain tx makes new money."""
    return bool(chain.input_spent[chain.tx_first_input[tx]] == -1)


@compiled_lean
def key_of(chain: Chain, state: Array, tx: int) -> int:
    """Give a chain tx's place in the order of following; one more is free for what has to come right after it.

    A coinbase that fees are carried to comes after the block's other chain txs. Backward all is reversed.
    """
    key = 4 * tx
    if state[at.FEES] == at.CARRIED and is_coinbase(chain, tx):
        key = 4 * chain.block_first_tx[last_at_most(chain.block_first_tx, tx) + 1] - 2
    return key if state[at.DIRECTION] == at.FORWARD else -key


@compiled_lean
def before(items: Array, one: int, other: int) -> bool:
    """Tell which item comes first: chain order, then the number of the output."""
    if items[one, at.KEY] != items[other, at.KEY]:
        return bool(items[one, at.KEY] < items[other, at.KEY])
    return bool(items[one, at.OUTPUT] < items[other, at.OUTPUT])


@compiled_lean
def push(work: Work, key: int, tx: int, output: int, head: int) -> None:
    """Let money (or, with ``head`` -1, a mark) wait for ``tx``, which must still be to come."""
    state, items, heap = work.state, work.items, work.heap
    if key <= state[at.NOW]:
        state[at.BROKEN] = 1
        return
    item = state[at.ITEM_FREE]
    if item >= 0:
        state[at.ITEM_FREE] = items[item, at.FREE]
    else:
        item = state[at.ITEMS]
        state[at.ITEMS] += 1
    items[item, at.KEY] = key
    items[item, at.NEXT_TX] = tx
    items[item, at.OUTPUT] = output
    items[item, at.HEAD] = head
    place = state[at.HEAPED]
    state[at.HEAPED] += 1
    while place > 0 and before(items, item, heap[(place - 1) // 2]):
        heap[place] = heap[(place - 1) // 2]
        place = (place - 1) // 2
    heap[place] = item


@compiled_lean
def pop(work: Work) -> int:
    """Take the first item off the heap; until more is pushed it stands right behind it."""
    state, items, heap = work.state, work.items, work.heap
    first = int(heap[0])
    state[at.NOW] = items[first, at.KEY]
    state[at.HEAPED] -= 1
    size = state[at.HEAPED]
    moved = heap[size]
    place = 0
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and before(items, heap[child + 1], heap[child]):
            child += 1
        if not before(items, heap[child], moved):
            break
        heap[place] = heap[child]
        place = child
    heap[place] = moved
    heap[size] = first
    return first


@compiled_lean
def release(work: Work, item: int) -> None:
    """Let the row of an item be used again."""
    work.items[item, at.FREE] = work.state[at.ITEM_FREE]
    work.state[at.ITEM_FREE] = item


@compiled_lean
def store(work: Work, n: int) -> int:
    """Keep the ``n`` lots of the cell as a list, and give its head."""
    state, lots, cell = work.state, work.lots, work.scratch
    head = -1
    for i in range(n - 1, -1, -1):
        lot = state[at.LOT_FREE]
        if lot >= 0:
            state[at.LOT_FREE] = lots[lot, at.NEXT]
        else:
            lot = state[at.LOTS]
            state[at.LOTS] += 1
        lots[lot, at.CLAIM] = cell[i, at.CLAIM]
        lots[lot, at.START] = cell[i, at.START]
        lots[lot, at.LENGTH] = cell[i, at.LENGTH]
        lots[lot, at.AT_HOP] = cell[i, at.CELL_HOP]
        lots[lot, at.NEXT] = head
        head = lot
    state[at.LOTS_LIVE] += n
    return head


@compiled_lean
def add_row(work: Work, kind: int, where: int, claim: int, value: int, more: int, another: int) -> None:
    """Write a row of the answer."""
    row = work.state[at.ROWS]
    work.state[at.ROWS] += 1
    work.rows[row, 0] = kind
    work.rows[row, 1] = where
    work.rows[row, 2] = claim
    work.rows[row, 3] = value
    work.rows[row, 4] = more
    work.rows[row, 5] = another


@compiled_lean
def append(cells: Array, side: int, n: int, claim: int, start: int, length: int) -> int:
    """Add a lot to ``n`` lots in order of their place; what continues the last one is made one with it.

    ``side`` is the column where the lots begin. Gives how many there are.
    """
    if n > 0 and cells[n - 1, side] == claim and cells[n - 1, side + 1] + cells[n - 1, side + 2] == start:
        cells[n - 1, side + 2] += length
        return n
    cells[n, side] = claim
    cells[n, side + 1] = start
    cells[n, side + 2] = length
    return n + 1


@compiled_lean
def last_mark(marks: Array, output: int) -> int:
    """Give the place of the last mark that is on an output up to ``output``, -1 if there is none."""
    return last_at_most(marks[at.MARK_OUTPUT], output)
