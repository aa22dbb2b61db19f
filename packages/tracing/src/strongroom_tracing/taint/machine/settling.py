"""Where money comes to rest or waits on: marks, stops, limits."""

from __future__ import annotations

from strongroom_tracing.compiled import compiled_lean
from strongroom_tracing.taint.machine import layout as at
from strongroom_tracing.taint.machine.layout import Chain, Work
from strongroom_tracing.taint.machine.marking import apply_marks, same_claim
from strongroom_tracing.taint.machine.waiting import (
    add_row,
    is_coinbase,
    key_of,
    last_at_most,
    last_mark,
    push,
    store,
)


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
def naming(work: Work, last: int, output: int, claim: int) -> int:
    """Give the earliest report that is of the same claim as ``claim`` and marks an output, -1 if none does.

    ``last`` is the last mark that is on an output up to it.
    """
    marks = work.marks
    found = at.NONE
    while last >= 0 and marks[at.MARK_OUTPUT, last] == output:
        if same_claim(work, marks[at.MARK_CLAIM, last], claim):
            found = marks[at.MARK_CLAIM, last]
        last -= 1
    return found


@compiled_lean
def place(chain: Chain, work: Work, output: int, n: int) -> None:  # noqa: C901 - compiled: calls cost
    """Let the ``n`` lots of the cell arrive at an output: apply its marks, then each stops there, rests or waits on.

    A mark speaks for its own claim only. Lots of a claim that marks the output pass a stop, begin to count hops anew
    and are never too little; for those of others all is as if no mark were there. So hops are kept for each lot. Behind
    a stop a lot is no older than the mark that opened it: else an old mark, once its way was opened, would win there.
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
        opening = naming(work, mark, output, claim)
        named = at.ONE if opening >= 0 else at.ZERO
        hop = at.ZERO if named else work.claims[work.claims[claim, at.CLAIM_OF], at.CLAIM_HOP]
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
                cell[j, at.CLAIM] = max(claim, opening) if stop else claim
                going = go_on(work, going, j, hop)
    if going > 0:
        key = 4 * tx if forward else key_of(chain, state, tx)  # no coinbase spends an output
        push(work, key, tx, output, store(work, going))


@compiled_lean
def place_fee(chain: Chain, work: Work, code: int, paying: int, n: int) -> None:
    """Let the ``n`` lots of the cell arrive at the fee of chain tx ``paying``: they are lost, left, or wait on."""
    state, cell = work.state, work.scratch
    collects = paying  # backward the coinbase's money goes to the chain tx that paid the fee
    lost = False
    if state[at.DIRECTION] == at.FORWARD:
        collects = chain.block_first_tx[last_at_most(chain.block_first_tx, state[at.TX])]
        lost = state[at.FEES] == at.ABSORBED or is_coinbase(chain, paying) or not is_coinbase(chain, collects)
    flowed, first = in_all(work, n), cell[0, at.CLAIM]
    going = at.ZERO
    for j in range(n):
        hop = work.claims[work.claims[cell[j, at.CLAIM], at.CLAIM_OF], at.CLAIM_HOP]
        kind = at.FEE if lost else limit(work, paying, flowed, hop, at.ZERO)
        if kind >= 0:
            end(work, kind, paying if lost else code, j, first, at.ZERO)
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
