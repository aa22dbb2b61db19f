"""Where money comes to rest or waits on: marks and whose report comes first, stops, limits."""

from __future__ import annotations

from strongroom_tracing.compiled import compiled_lean
from strongroom_tracing.taint.machine import layout as at
from strongroom_tracing.taint.machine.layout import Chain, Work
from strongroom_tracing.taint.machine.waiting import (
    add_row,
    append,
    is_coinbase,
    key_of,
    last_at_most,
    last_mark,
    push,
    store,
)


@compiled_lean
def overlay(work: Work, output: int, n: int, claim: int, amount: int) -> int:  # noqa: C901 - compiled: calls cost
    """Lay a mark on the first ``amount`` base units of an output; where two claims meet, the earlier report keeps.

    For the policies that know where in an output money is. Gives the number of lots in the cell.
    """
    cell = work.scratch
    m = at.ZERO
    reached = at.ZERO
    again = 0
    for j in range(n):
        owner, start, length = cell[j, at.CLAIM], cell[j, at.START], cell[j, at.LENGTH]
        if reached < amount and start > reached:
            m = append(cell, at.SPARE, m, claim, reached, min(start, amount) - reached)
        inside = max(min(start + length, amount) - start, 0)
        winner = min(owner, claim)
        if inside > 0:
            m = append(cell, at.SPARE, m, winner, start, inside)
            if owner == claim:
                again += inside
            else:
                add_row(work, at.CONTESTED, output, max(owner, claim), inside, winner, at.ZERO)
        if length > inside:
            m = append(cell, at.SPARE, m, owner, start + inside, length - inside)
        reached = start + length
    if reached < amount:
        m = append(cell, at.SPARE, m, claim, reached, amount - reached)
    for j in range(m):
        for column in range(3):
            cell[j, column] = cell[j, at.SPARE + column]
    add_row(work, at.MARKED, output, claim, amount, again, at.ZERO)
    return m


@compiled_lean
def insert(work: Work, n: int, claim: int) -> int:
    """Give the place of a claim's lot among those of the cell, which are in order of report; make it if need be."""
    cell = work.scratch
    for j in range(n):
        if cell[j, at.CLAIM] == claim:
            return j
    place = n
    while place > 0 and cell[place - 1, at.CLAIM] > claim:
        for column in range(3):
            cell[place, column] = cell[place - 1, column]
        place -= 1
    cell[place, at.CLAIM] = claim
    cell[place, at.START] = 0
    cell[place, at.LENGTH] = 0
    return place


@compiled_lean
def lose(work: Work, output: int, n: int, claim: int, lost: int) -> None:
    """Write down that a claim loses to the earlier reports that have the money, the first one first."""
    for j in range(n):
        if lost > 0 and work.scratch[j, at.CLAIM] < claim:
            part = min(lost, work.scratch[j, at.LENGTH])
            add_row(work, at.CONTESTED, output, claim, part, work.scratch[j, at.CLAIM], at.ZERO)
            lost -= part


@compiled_lean
def seize(work: Work, output: int, n: int, claim: int, wanted: int) -> None:
    """Take money from later reports, the latest first."""
    cell = work.scratch
    for j in range(n - 1, -1, -1):
        if wanted > 0 and cell[j, at.CLAIM] > claim:
            part = min(wanted, cell[j, at.LENGTH])
            add_row(work, at.CONTESTED, output, cell[j, at.CLAIM], part, claim, at.ZERO)
            cell[j, at.LENGTH] -= part
            wanted -= part


@compiled_lean
def without_empty(work: Work, n: int) -> int:
    """Drop the lots of the cell that have nothing left; give how many there are."""
    m = 0
    for j in range(n):
        if work.scratch[j, at.LENGTH] > 0:
            for column in range(3):
                work.scratch[m, column] = work.scratch[j, column]
            m += 1
    return m


@compiled_lean
def top_up(work: Work, output: int, n: int, claim: int, amount: int, value: int) -> int:
    """Mark ``amount`` base units of an output where no place is known: what no one claims first, then later reports'.

    What earlier reports have is lost to them. Gives the number of lots in the cell.
    """
    cell = work.scratch
    free = value
    earlier = 0
    own = 0
    for j in range(n):
        free -= cell[j, at.LENGTH]
        if cell[j, at.CLAIM] < claim:
            earlier += cell[j, at.LENGTH]
        elif cell[j, at.CLAIM] == claim:
            own = cell[j, at.LENGTH]
    again = min(own, amount)
    gain = max(min(amount, value - earlier) - own, 0)
    add_row(work, at.MARKED, output, claim, amount, again, at.ZERO)
    lose(work, output, n, claim, amount - again - gain)
    seize(work, output, n, claim, gain - min(gain, free))
    if gain > 0:
        cell[insert(work, n, claim), at.LENGTH] += gain
        n += 1 if own == 0 else 0
    return without_empty(work, n)


@compiled_lean
def add_claim(work: Work, output: int, n: int, claim: int, value: int) -> int:
    """Poison: mark an output, whole. Gives the number of lots in the cell."""
    for j in range(n):
        if work.scratch[j, at.CLAIM] == claim:
            add_row(work, at.MARKED, output, claim, value, value, at.ZERO)
            return n
    add_row(work, at.MARKED, output, claim, value, at.ZERO, at.ZERO)
    if value == 0:
        return n
    work.scratch[insert(work, n, claim), at.LENGTH] = value
    return n + 1


@compiled_lean
def apply_marks(chain: Chain, work: Work, last: int, output: int, n: int) -> int:
    """Add an output's marks to what has flowed there, in order of report; give the number of lots in the cell."""
    policy, marks = work.state[at.POLICY], work.marks
    for i in range(last_mark(marks, output - 1) + 1, last + 1):
        claim, amount = marks[at.MARK_CLAIM, i], marks[at.MARK_AMOUNT, i]
        marks[at.MARK_DONE, i] = 1
        if policy == at.POISON:
            n = add_claim(work, output, n, claim, chain.output_value[output])
        elif policy in (at.FIFO, at.LIFO):
            n = overlay(work, output, n, claim, amount)
        else:
            n = top_up(work, output, n, claim, amount, chain.output_value[output])
    return n


@compiled_lean
def end(work: Work, kind: int, where: int, n: int, more: int) -> None:
    """Write down where the lots of the cell are. Under poison the first report has all, and the others claim it."""
    cell = work.scratch
    if work.state[at.POLICY] != at.POISON:
        for j in range(n):
            add_row(work, kind, where, cell[j, at.CLAIM], cell[j, at.LENGTH], more, at.ZERO)
        return
    add_row(work, kind, where, cell[0, at.CLAIM], cell[0, at.LENGTH], more, at.ZERO)
    if kind not in (at.FEE, at.ORIGIN):
        for j in range(1, n):
            add_row(work, at.CONTESTED, where, cell[j, at.CLAIM], cell[j, at.LENGTH], cell[0, at.CLAIM], at.ZERO)


@compiled_lean
def in_all(work: Work, n: int) -> int:
    """Give the tainted base units of the cell (under poison every lot is the whole)."""
    if work.state[at.POLICY] == at.POISON:
        return int(work.scratch[0, at.LENGTH])
    total = 0
    for j in range(n):
        total += work.scratch[j, at.LENGTH]
    return total


@compiled_lean
def limit(work: Work, n: int, tx: int, hop: int, marked: int) -> int:
    """Give the kind of row that ends the way to ``tx``, -1 if nothing does. What is marked is never too little."""
    state = work.state
    if (tx >= state[at.BOUND]) == (state[at.DIRECTION] == at.FORWARD):
        return at.HEIGHT_LIMIT
    if marked == 0 and in_all(work, n) < state[at.SMALLEST]:
        return at.BELOW
    if 0 <= state[at.HOPS] <= hop:
        return at.HOP_LIMIT
    return -1


@compiled_lean
def is_stop(work: Work, address: int) -> bool:
    """Tell whether an address is a service's."""
    place = last_at_most(work.stops, address)
    return place >= 0 and work.stops[place] == address


@compiled_lean
def place(chain: Chain, work: Work, output: int, n: int, hop: int) -> None:
    """Let the ``n`` lots of the cell arrive at an output: apply its marks, then stop there, rest there or wait on."""
    state = work.state
    marked = at.ZERO
    mark = last_mark(work.marks, output)
    if mark >= 0 and work.marks[at.MARK_OUTPUT, mark] == output:
        n = apply_marks(chain, work, mark, output, n)
        marked = at.ONE
        hop = at.ZERO
    if n == 0:
        return
    if marked == 0 and len(work.stops) > 0 and is_stop(work, chain.output_address[output]):
        end(work, at.SERVICE, output, n, chain.output_address[output])
        return
    if state[at.DIRECTION] == at.FORWARD:
        tx = chain.output_spending[output]
        key = 4 * tx  # no coinbase spends an output
        if tx < 0:
            end(work, at.HELD, output, n, at.ZERO)
            return
    else:
        tx = last_at_most(chain.tx_first_output, output)
        key = key_of(chain, state, tx)
        if state[at.FEES] == at.ABSORBED and is_coinbase(chain, tx):
            end(work, at.ORIGIN, tx, n, at.NONE)
            return
    kind = limit(work, n, tx, hop, marked)
    if kind >= 0:
        end(work, kind, output, n, at.ZERO)
    else:
        push(work, key, tx, output, store(work, n), hop)


@compiled_lean
def settle(chain: Chain, work: Work, code: int, n: int) -> None:
    """Let the ``n`` lots of the cell arrive at a slot of the chain tx in hand."""
    if n == 0:
        return
    state = work.state
    hop, tx = state[at.HOP], state[at.TX]
    first_fee = chain.tx_first_output[len(chain.tx_first_output) - 1]
    if code < 0:
        end(work, at.ORIGIN, tx, n, code)
    elif code < first_fee:
        place(chain, work, code, n, hop)
    else:
        paying = code - first_fee
        collects = paying  # backward the coinbase's money goes to the chain tx that paid the fee
        lost = False
        if state[at.DIRECTION] == at.FORWARD:
            collects = chain.block_first_tx[last_at_most(chain.block_first_tx, tx)]
            lost = state[at.FEES] == at.ABSORBED or is_coinbase(chain, paying) or not is_coinbase(chain, collects)
        if lost or limit(work, n, paying, hop, at.ZERO) >= 0:
            end(work, at.FEE, paying, n, at.ZERO)
        else:
            push(work, key_of(chain, state, collects), collects, code, store(work, n), hop)
