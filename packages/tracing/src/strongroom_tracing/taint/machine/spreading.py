"""The policies: how the taint that goes into a chain tx is spread over what comes out of it."""

from __future__ import annotations

from strongroom_tracing.compiled import compiled_lean
from strongroom_tracing.taint.exact import multiply_divide
from strongroom_tracing.taint.machine import layout as at
from strongroom_tracing.taint.machine.layout import Array, Chain, Work
from strongroom_tracing.taint.machine.settling import settle
from strongroom_tracing.taint.machine.waiting import add_row, append


@compiled_lean
def move(work: Work, first_fee: int, source: int, sink: int, claim: int, value: int) -> None:
    """Write down that money went from one slot to another, as it went (so backward from the sink to the source).

    What goes the way of the claim's last row is added to it: an output may hold thousands of lots, of one claim or of
    two in turn, and a row for each at every hop would fill the memory. Policies that keep lots in order go from one
    pair of slots to the next and never back, so a claim has one row for each.
    """
    if work.state[at.DIRECTION] == at.BACKWARD:
        source, sink = sink, source
    code = work.slots[sink, at.OUT + at.CODE]
    came_from = work.slots[source, at.IN + at.CODE]
    gone_to = code if code < first_fee else at.NONE
    named = work.claims[claim, at.CLAIM_OF]
    rows, last, tx = work.rows, work.claims[named, at.LAST_MOVE], work.state[at.TX]
    if last >= 0 and rows[last, 1] == tx and rows[last, 4] == came_from and rows[last, 5] == gone_to:
        rows[last, 3] += value
    else:
        work.claims[named, at.LAST_MOVE] = work.state[at.ROWS]
        add_row(work, at.MOVE, tx, claim, value, came_from, gone_to)


@compiled_lean
def spread_in_order(chain: Chain, work: Work, side: int, first_fee: int) -> None:
    """FIFO and LIFO: the base units that go in stand in a row, those that come out too, and each keeps its place.

    FIFO lays the rows side by side, LIFO lays one of them the other way round. Both are one to one.
    """
    state, flow, slots = work.state, work.scratch, work.slots
    flows = state[at.FLOWS]
    sink = at.ZERO
    base = at.ZERO
    n = at.ZERO
    for f in range(flows):
        i = f if state[at.POLICY] == at.FIFO else flows - 1 - f
        start, length = flow[i, at.FLOW_START], flow[i, at.FLOW_LENGTH]
        if state[at.POLICY] == at.LIFO:
            start = state[at.TOTAL] - start - length
        while length > 0:
            stop = base + slots[sink, side + at.VALUE]
            if start >= stop:
                settle(chain, work, slots[sink, side + at.CODE], n)
                n = at.ZERO
                base = stop
                sink += 1
                continue
            piece = min(length, stop - start)
            n = append(flow, at.ZERO, n, flow[i, at.FLOW_CLAIM], start - base, piece)
            move(work, first_fee, flow[i, at.FLOW_SLOT], sink, flow[i, at.FLOW_CLAIM], piece)
            start += piece
            length -= piece
    settle(chain, work, slots[sink, side + at.CODE], n)


@compiled_lean
def sort_heaviest_first(slots: Array, n: int) -> None:
    """Put the slots 0..n-1 in order of falling weight, equals in their own order (shell sort)."""
    for i in range(n):
        slots[i, at.ORDER] = i
    gap = 1
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, n):
            moved = slots[i, at.ORDER]
            weight = slots[moved, at.WEIGHT]
            j = i
            while j >= gap:
                other = slots[j - gap, at.ORDER]
                if slots[other, at.WEIGHT] > weight or (slots[other, at.WEIGHT] == weight and other < moved):
                    break
                slots[j, at.ORDER] = other
                j -= gap
            slots[j, at.ORDER] = moved
        gap //= 3


@compiled_lean
def deal(work: Work, side: int, n: int, whole: int, amount: int, k: int) -> None:
    """Haircut: deal out ``amount`` over ``n`` slots in proportion to their values (``whole`` in all), exactly.

    Each gets the floor of its share; what is left goes one base unit each to the largest remainders (equal ones: the
    lowest first), where there is room. Room can only lack where an earlier report's units were rounded up.
    """
    grid, slots, claims = work.grid, work.slots, work.state[at.TOUCHED]
    left = amount
    for s in range(n):
        share, slots[s, at.WEIGHT] = multiply_divide(amount, slots[s, side + at.VALUE], whole)
        share = min(share, slots[s, side + at.ROOM])
        grid[s * claims + k] = share
        slots[s, side + at.ROOM] -= share
        left -= share
    if left > 0:
        sort_heaviest_first(slots, n)
    while left > 0:
        for i in range(n):
            s = slots[i, at.ORDER]
            if left > 0 and slots[s, side + at.ROOM] > 0:
                grid[s * claims + k] += 1
                slots[s, side + at.ROOM] -= 1
                left -= 1


@compiled_lean
def spread_evenly(work: Work, side: int, n: int) -> None:
    """Haircut: every claim in proportion. The outputs together get the floor of their share, the fee the rest."""
    state, flow, grid, slots, claims = work.state, work.scratch, work.grid, work.slots, work.state[at.TOUCHED]
    real = n - 1 if side == at.OUT else n  # without the fee
    whole = at.ZERO
    for s in range(n):
        slots[s, side + at.ROOM] = slots[s, side + at.VALUE]
        whole += slots[s, side + at.VALUE] if s < real else 0
    for k in range(claims):
        total = at.ZERO
        for f in range(state[at.FLOWS]):
            if flow[f, at.FLOW_CLAIM] == work.claims[k, at.TOUCHED_CLAIM]:
                total += flow[f, at.FLOW_LENGTH]
        if real < n:
            share, _ = multiply_divide(total, whole, state[at.TOTAL])
            fee = min(total - share, slots[real, side + at.ROOM])
            grid[real * claims + k] = fee
            slots[real, side + at.ROOM] -= fee
            total -= fee
        if total > 0:
            deal(work, side, real, whole, total, k)


@compiled_lean
def spread_highest(work: Work, side: int, n: int, first_fee: int) -> None:
    """TIHO: the taint fills the output of the highest value, then the next; equals lowest first, the fee last.

    The earlier report goes first, so that a later one, which may stand on any input, moves nothing of it.
    """
    state, flow, slots, claims = work.state, work.scratch, work.slots, work.state[at.TOUCHED]
    for s in range(n):
        slots[s, at.WEIGHT] = slots[s, side + at.VALUE]
    if side == at.OUT:
        slots[n - 1, at.WEIGHT] = -1
    sort_heaviest_first(slots, n)
    p = 0
    room = slots[slots[0, at.ORDER], side + at.VALUE]
    for k in range(claims):
        claim = work.claims[k, at.TOUCHED_CLAIM]
        for f in range(state[at.FLOWS]):
            left = flow[f, at.FLOW_LENGTH] if flow[f, at.FLOW_CLAIM] == claim else 0
            while left > 0:
                while room == 0:
                    p += 1
                    room = slots[slots[p, at.ORDER], side + at.VALUE]
                piece = min(left, room)
                work.grid[slots[p, at.ORDER] * claims + k] += piece
                move(work, first_fee, flow[f, at.FLOW_SLOT], slots[p, at.ORDER], claim, piece)
                left -= piece
                room -= piece


@compiled_lean
def next_of(work: Work, f: int, claim: int) -> int:
    """Give the next part of the flow, after ``f``, that is of a report (poison: of its claim); -1 if there is none."""
    poison = work.state[at.POLICY] == at.POISON
    for i in range(f + 1, work.state[at.FLOWS]):
        other = work.scratch[i, at.FLOW_CLAIM]
        if other == claim or (poison and work.claims[other, at.CLAIM_OF] == work.claims[claim, at.CLAIM_OF]):
            return i
    return at.NONE


@compiled_lean
def match(work: Work, side: int, n: int, k: int, first_fee: int) -> None:
    """Say which tainted sources a sink's money came from: in order, as far as each reaches, the last for the rest.

    Haircut and poison do not know this; a flow graph needs edges, and these have the right sums.
    """
    flow, claims, claim = work.scratch, work.state[at.TOUCHED], work.claims[k, at.TOUCHED_CLAIM]
    source_value = at.IN + at.OUT - side + at.VALUE
    f = at.NONE
    after = next_of(work, f, claim)
    room = at.ZERO
    for s in range(n):
        left = work.grid[s * claims + k]
        while left > 0:
            if room <= 0 and after >= 0:
                f = after
                after = next_of(work, f, claim)
                room = flow[f, at.FLOW_LENGTH]
                if work.state[at.POLICY] == at.POISON:
                    room = work.slots[flow[f, at.FLOW_SLOT], source_value]
                continue
            piece = left if after < 0 else min(left, room)
            move(work, first_fee, flow[f, at.FLOW_SLOT], s, claim, piece)
            left -= piece
            room -= piece


@compiled_lean
def fill_grid(work: Work, side: int, n: int, first_fee: int) -> None:
    """Poison, haircut, TIHO: say how much of each claim goes to each slot."""
    state, claims = work.state, work.state[at.TOUCHED]
    for i in range(n * claims):
        work.grid[i] = work.slots[i // claims, side + at.VALUE] if state[at.POLICY] == at.POISON else 0
    if state[at.POLICY] == at.TIHO:
        spread_highest(work, side, n, first_fee)
        return
    if state[at.POLICY] == at.HAIRCUT:
        spread_evenly(work, side, n)
    for k in range(claims):
        match(work, side, n, k, first_fee)


@compiled_lean
def take_column(work: Work, s: int) -> int:
    """Put what the grid has for a slot into the cell; give how many lots that makes."""
    cell, claims = work.scratch, work.state[at.TOUCHED]
    n = at.ZERO
    for k in range(claims):
        if work.grid[s * claims + k] > 0:
            cell[n, at.CLAIM] = work.claims[k, at.TOUCHED_CLAIM]
            cell[n, at.START] = 0
            cell[n, at.LENGTH] = work.grid[s * claims + k]
            n += 1
    return n


@compiled_lean
def spread(chain: Chain, work: Work) -> None:
    """Spread what is gathered in the chain tx in hand over its outs (backward: over its ins)."""
    state = work.state
    side = at.OUT if state[at.DIRECTION] == at.FORWARD else at.IN
    n = state[at.OUTS] if side == at.OUT else state[at.INS]
    first_fee = chain.tx_first_output[len(chain.tx_first_output) - 1]
    if state[at.POLICY] in (at.FIFO, at.LIFO):
        spread_in_order(chain, work, side, first_fee)
        return
    fill_grid(work, side, n, first_fee)
    for s in range(n):
        settle(chain, work, work.slots[s, side + at.CODE], take_column(work, s))
