"""Marks on an output, and whose report comes first."""

from __future__ import annotations

from strongroom_tracing.compiled import compiled_lean
from strongroom_tracing.taint.machine import layout as at
from strongroom_tracing.taint.machine.layout import Chain, Work
from strongroom_tracing.taint.machine.waiting import add_row, append, last_mark


@compiled_lean
def same_claim(work: Work, one: int, other: int) -> bool:
    """Tell whether two reports are of one claim."""
    return bool(work.claims[one, at.CLAIM_OF] == work.claims[other, at.CLAIM_OF])


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
            if same_claim(work, owner, claim):
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
def give(work: Work, n: int, claim: int, gain: int) -> int:
    """Add to a report's lot among those of the cell, which are in order of report; give how many there are then."""
    cell = work.scratch
    for j in range(n):
        if cell[j, at.CLAIM] == claim:
            cell[j, at.LENGTH] += gain
            return n
    place = n
    while place > 0 and cell[place - 1, at.CLAIM] > claim:
        for column in range(3):
            cell[place, column] = cell[place - 1, column]
        place -= 1
    cell[place, at.CLAIM] = claim
    cell[place, at.START] = 0
    cell[place, at.LENGTH] = gain
    return n + 1


@compiled_lean
def lose(work: Work, output: int, n: int, claim: int, lost: int) -> None:
    """Write down that a claim loses to others' earlier reports that have the money, the first one first."""
    for j in range(n):
        if lost > 0 and work.scratch[j, at.CLAIM] < claim and not same_claim(work, work.scratch[j, at.CLAIM], claim):
            part = min(lost, work.scratch[j, at.LENGTH])
            add_row(work, at.CONTESTED, output, claim, part, work.scratch[j, at.CLAIM], at.NONE)
            lost -= part


@compiled_lean
def seize(work: Work, output: int, n: int, claim: int, wanted: int) -> None:
    """Take money from others' later reports, the latest first."""
    cell = work.scratch
    for j in range(n - 1, -1, -1):
        if wanted > 0 and cell[j, at.CLAIM] > claim and not same_claim(work, cell[j, at.CLAIM], claim):
            part = min(wanted, cell[j, at.LENGTH])
            add_row(work, at.CONTESTED, output, cell[j, at.CLAIM], part, claim, at.NONE)
            cell[j, at.LENGTH] -= part
            wanted -= part


@compiled_lean
def backdate(work: Work, n: int, claim: int, wanted: int) -> int:
    """Take what an older mark says of a claim's own money from that claim's later reports; give how much it is."""
    cell = work.scratch
    taken = 0
    for j in range(n - 1, -1, -1):
        if taken < wanted and cell[j, at.CLAIM] > claim and same_claim(work, cell[j, at.CLAIM], claim):
            part = min(wanted - taken, cell[j, at.LENGTH])
            cell[j, at.LENGTH] -= part
            taken += part
    return taken


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
    """Mark ``amount`` base units of an output where no place is known.

    The claim's own, which may become older by it; then what no one claims; then later reports'. What earlier reports
    have is lost to them. Gives the number of lots in the cell.
    """
    cell = work.scratch
    free = value
    earlier = 0
    own = 0
    old = 0  # of its own, from reports up to this one
    for j in range(n):
        free -= cell[j, at.LENGTH]
        if same_claim(work, cell[j, at.CLAIM], claim):
            own += cell[j, at.LENGTH]
            old += cell[j, at.LENGTH] if cell[j, at.CLAIM] <= claim else 0
        elif cell[j, at.CLAIM] < claim:
            earlier += cell[j, at.LENGTH]
    again = min(own, amount)
    gain = max(min(amount, value - earlier) - own, 0)
    add_row(work, at.MARKED, output, claim, amount, again, at.ZERO)
    lose(work, output, n, claim, amount - again - gain)
    seize(work, output, n, claim, gain - min(gain, free))
    gain += backdate(work, n, claim, again - old)
    if gain > 0:
        n = give(work, n, claim, gain)
    return without_empty(work, n)


@compiled_lean
def add_claim(work: Work, output: int, n: int, claim: int, value: int) -> int:
    """Poison: mark an output, whole. Gives the number of lots in the cell."""
    again = backdate(work, n, claim, value)
    n = without_empty(work, n)
    for j in range(n):
        if same_claim(work, work.scratch[j, at.CLAIM], claim):
            add_row(work, at.MARKED, output, claim, value, value, at.ZERO)
            return n
    add_row(work, at.MARKED, output, claim, value, again, at.ZERO)
    return give(work, n, claim, value) if value > 0 else n


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
