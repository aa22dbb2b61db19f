"""Where money comes to rest or waits on: marks and whose report comes first, stops, limits."""

from __future__ import annotations

from strongroom_tracing.compiled import compiled_lean
from strongroom_tracing.taint.machine import layout as at
from strongroom_tracing.taint.machine.layout import Array, Chain, Work
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
                add_row(work, at.CONTESTED, output, max(owner, claim), inside, winner, at.NONE)
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
            add_row(work, at.CONTESTED, output, claim, part, work.scratch[j, at.CLAIM], at.NONE)
            lost -= part


@compiled_lean
def seize(work: Work, output: int, n: int, claim: int, wanted: int) -> None:
    """Take money from later reports, the latest first."""
    cell = work.scratch
    for j in range(n - 1, -1, -1):
        if wanted > 0 and cell[j, at.CLAIM] > claim:
            part = min(wanted, cell[j, at.LENGTH])
            add_row(work, at.CONTESTED, output, cell[j, at.CLAIM], part, claim, at.NONE)
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
def end(work: Work, kind: int, where: int, lot: int, first: int, more: int) -> None:
    """Write down where a lot of the cell is. Under poison the ``first`` report there has all, and others claim it."""
    claim, length = work.scratch[lot, at.CLAIM], work.scratch[lot, at.LENGTH]
    if work.state[at.POLICY] != at.POISON or claim == first:
        add_row(work, kind, where, claim, length, more, at.ZERO)
    elif kind not in (at.FEE, at.ORIGIN):
        add_row(work, at.CONTESTED, where, claim, length, first, more if kind == at.SERVICE else at.NONE)


@compiled_lean
def go_on(work: Work, n: int, lot: int, hop: int) -> int:
    """Keep a lot of the cell as one of the ``n`` that go on; give how many go on now."""
    for column in range(3):
        work.scratch[n, column] = work.scratch[lot, column]
    work.scratch[n, at.CELL_HOP] = hop
    return n + 1


@compiled_lean
def in_all(work: Work, n: int) -> int:
    """Give the tainted base units of the cell (under poison every lot is the whole)."""
    total = 0
    for j in range(n):
        if j == 0 or work.state[at.POLICY] != at.POISON:
            total += work.scratch[j, at.LENGTH]
    return total


@compiled_lean
def limit(work: Work, tx: int, flowed: int, hop: int, named: int) -> int:
    """Give the kind of row that ends a lot's way to ``tx``, -1 if nothing does. What is ``named`` is never too little.

    ``named``: 1 if the lot's own claim marks the output. ``flowed``: the taint of all claims that came with it, without
    what marks add.
    """
    state = work.state
    if (tx >= state[at.BOUND]) == (state[at.DIRECTION] == at.FORWARD):
        return at.HEIGHT_LIMIT
    if named == 0 and flowed < state[at.SMALLEST]:
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
def is_named(marks: Array, last: int, output: int, claim: int) -> int:
    """Tell (1 or 0) whether a claim marks an output; ``last`` is the last mark that is on an output up to it."""
    while last >= 0 and marks[at.MARK_OUTPUT, last] == output:
        if marks[at.MARK_CLAIM, last] == claim:
            return at.ONE
        last -= 1
    return at.ZERO


@compiled_lean
def place(chain: Chain, work: Work, output: int, n: int) -> None:  # noqa: C901 - compiled: calls cost
    """Let the ``n`` lots of the cell arrive at an output: apply its marks, then each stops there, rests or waits on.

    A mark speaks for its own claim only. Lots of a claim that marks the output pass a stop, begin to count hops anew
    and are never too little; for those of others all is as if no mark were there. So hops are kept for each lot.
    """
    state, cell, forward = work.state, work.scratch, work.state[at.DIRECTION] == at.FORWARD
    flowed = in_all(work, n)
    mark = last_mark(work.marks, output)
    if mark >= 0 and work.marks[at.MARK_OUTPUT, mark] == output:
        n = apply_marks(chain, work, mark, output, n)
    if n == 0:
        return
    tx = chain.output_spending[output] if forward else last_at_most(chain.tx_first_output, output)
    address, first = chain.output_address[output], cell[0, at.CLAIM]
    stop = len(work.stops) > 0 and is_stop(work, address)
    new_money = not forward and state[at.FEES] == at.ABSORBED and is_coinbase(chain, tx)
    going = at.ZERO
    for j in range(n):
        claim = cell[j, at.CLAIM]
        named = is_named(work.marks, mark, output, claim)
        hop = at.ZERO if named else work.claims[claim, at.CLAIM_HOP]
        if stop and named == 0:
            end(work, at.SERVICE, output, j, first, address)
        elif forward and tx < 0:
            end(work, at.HELD, output, j, first, at.ZERO)
        elif new_money:
            end(work, at.ORIGIN, tx, j, first, at.NONE)
        else:
            kind = limit(work, tx, flowed, hop, named)
            if kind >= 0:
                end(work, kind, output, j, first, at.ZERO)
            else:
                going = go_on(work, going, j, hop)
    if going > 0:
        key = 4 * tx if forward else key_of(chain, state, tx)  # no coinbase spends an output
        push(work, key, tx, output, store(work, going))


@compiled_lean
def place_fee(chain: Chain, work: Work, code: int, paying: int, n: int) -> None:
    """Let the ``n`` lots of the cell arrive at the fee of the chain tx ``paying``: they are lost, or wait on."""
    state, cell = work.state, work.scratch
    collects = paying  # backward the coinbase's money goes to the chain tx that paid the fee
    lost = False
    if state[at.DIRECTION] == at.FORWARD:
        collects = chain.block_first_tx[last_at_most(chain.block_first_tx, state[at.TX])]
        lost = state[at.FEES] == at.ABSORBED or is_coinbase(chain, paying) or not is_coinbase(chain, collects)
    flowed, first = in_all(work, n), cell[0, at.CLAIM]
    going = at.ZERO
    for j in range(n):
        hop = work.claims[cell[j, at.CLAIM], at.CLAIM_HOP]
        if lost or limit(work, paying, flowed, hop, at.ZERO) >= 0:
            end(work, at.FEE, paying, j, first, at.ZERO)
        else:
            going = go_on(work, going, j, hop)
    if going > 0:
        push(work, key_of(chain, state, collects), collects, code, store(work, going))


@compiled_lean
def settle(chain: Chain, work: Work, code: int, n: int) -> None:
    """Let the ``n`` lots of the cell arrive at a slot of the chain tx in hand."""
    if n == 0:
        return
    first_fee = chain.tx_first_output[len(chain.tx_first_output) - 1]
    if code >= first_fee:
        place_fee(chain, work, code, code - first_fee, n)
    elif code >= 0:
        place(chain, work, code, n)
    else:
        for j in range(n):
            end(work, at.ORIGIN, work.state[at.TX], j, work.scratch[0, at.CLAIM], code)
