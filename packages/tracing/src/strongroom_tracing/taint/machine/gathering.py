"""What goes into a chain tx and what comes out of it, and the taint that waits for it."""

from __future__ import annotations

from strongroom_tracing.compiled import compiled_lean
from strongroom_tracing.taint.machine import layout as at
from strongroom_tracing.taint.machine.layout import Array, Chain, Work
from strongroom_tracing.taint.machine.waiting import add_row, is_coinbase, last_at_most, pop, release


@compiled_lean
def value_of(chain: Chain, spent: int) -> int:
    """Give the value of what an input spends, -1 if nobody knows it."""
    if spent >= 0:
        return int(chain.output_value[spent])
    return int(chain.external_value[-2 - spent])


@compiled_lean
def fee_of(chain: Chain, tx: int) -> int:
    """Give the fee of a chain tx, base units; none is seen where an input's value is unknown."""
    fee = 0
    for i in range(chain.tx_first_input[tx], chain.tx_first_input[tx + 1]):
        fee += max(value_of(chain, chain.input_spent[i]), 0)
    for output in range(chain.tx_first_output[tx], chain.tx_first_output[tx + 1]):
        fee -= chain.output_value[output]
    return max(fee, 0)


@compiled_lean
def slots_needed(chain: Chain, tx: int) -> int:
    """Give an upper bound of the slots on either side of a chain tx."""
    inputs = chain.tx_first_input[tx + 1] - chain.tx_first_input[tx]
    if is_coinbase(chain, tx):
        block = last_at_most(chain.block_first_tx, tx)
        inputs = chain.block_first_tx[block + 1] - chain.block_first_tx[block]
    return int(max(inputs, chain.tx_first_output[tx + 1] - chain.tx_first_output[tx])) + 2


@compiled_lean
def slot(slots: Array, side: int, n: int, code: int, value: int) -> int:
    """Add a slot on one side (``at.IN`` or ``at.OUT``); give how many there are."""
    slots[n, side + at.CODE] = code
    slots[n, side + at.VALUE] = value
    return n + 1


@compiled_lean
def fill_outs(chain: Chain, work: Work, tx: int) -> int:
    """List the outputs of a chain tx in order; give their sum."""
    n = at.ZERO
    total = 0
    for output in range(chain.tx_first_output[tx], chain.tx_first_output[tx + 1]):
        n = slot(work.slots, at.OUT, n, output, chain.output_value[output])
        total += chain.output_value[output]
    work.state[at.OUTS] = n
    return total


@compiled_lean
def fill_ins(chain: Chain, work: Work, tx: int, leaving: int) -> int:
    """List the inputs of a chain tx in order; give their sum, which is at least what is ``leaving``.

    What inputs of unknown value brought is taken to be what the outputs need beyond the known ones (so the fee is taken
    to be nil): the least it can be. It stands at the place of the first of them, and the answer says so.
    """
    n = at.ZERO
    total = 0
    unknown = 0
    first = -1
    for i in range(chain.tx_first_input[tx], chain.tx_first_input[tx + 1]):
        value = value_of(chain, chain.input_spent[i])
        if value < 0:
            unknown += 1
            first = n if first < 0 else first
        n = slot(work.slots, at.IN, n, chain.input_spent[i], max(value, at.ZERO))
        total += max(value, 0)
    short = max(leaving - total, 0)
    if short > 0 and first < 0:
        first = n
        n = slot(work.slots, at.IN, n, at.NONE, at.ZERO)
    if short > 0:
        work.slots[first, at.IN + at.VALUE] = short
    if short > 0 or unknown > 0:
        add_row(work, at.ASSUMED, tx, at.ZERO, short, unknown, at.ZERO)
    work.state[at.INS] = n
    return total + short


@compiled_lean
def fill_coinbase(chain: Chain, work: Work, tx: int, leaving: int) -> int:
    """List what a coinbase may claim: the subsidy, then the fees of its block in the order of their chain txs."""
    state = work.state
    block = last_at_most(chain.block_first_tx, tx)
    first_fee = chain.tx_first_output[len(chain.tx_first_output) - 1]
    n = slot(work.slots, at.IN, at.ZERO, at.NONE, at.ZERO)
    fees = 0
    for other in range(tx + 1, chain.block_first_tx[block + 1]):
        fee = fee_of(chain, other)
        n = slot(work.slots, at.IN, n, first_fee + other, fee)
        fees += fee
    halvings = (state[at.FIRST_HEIGHT] + block) // state[at.HALVING]
    subsidy = state[at.SUBSIDY] >> halvings if halvings < at.SUBSIDY_BITS else 0
    subsidy = max(subsidy, leaving - fees)
    work.slots[0, at.IN + at.VALUE] = subsidy
    state[at.INS] = n
    return subsidy + fees


@compiled_lean
def find(work: Work, n: int, output: int) -> int:
    """Find the item of an output among the ``n`` that were popped; -1 if it is not among them.

    They stand behind the heap, the last popped first, so their outputs fall.
    """
    low, high = 0, n
    behind = work.state[at.HEAPED]
    while low < high:
        middle = (low + high) // 2
        if work.items[work.heap[behind + middle], at.OUTPUT] > output:
            low = middle + 1
        else:
            high = middle
    if low < n and work.items[work.heap[behind + low], at.OUTPUT] == output:
        return int(work.heap[behind + low])
    return at.NONE


@compiled_lean
def take_lots(work: Work, item: int, flows: int, slot_number: int, base: int) -> int:
    """Move the lots of an item into the flow, at their place in the chain tx; give how long the flow is now."""
    state, flow, lots = work.state, work.scratch, work.lots
    lot = work.items[item, at.HEAD]
    while lot >= 0:
        flow[flows, at.FLOW_CLAIM] = lots[lot, at.CLAIM]
        flow[flows, at.FLOW_START] = base + lots[lot, at.START]
        flow[flows, at.FLOW_LENGTH] = lots[lot, at.LENGTH]
        flow[flows, at.FLOW_SLOT] = slot_number
        flow[flows, at.FLOW_HOP] = lots[lot, at.AT_HOP]
        flows += 1
        following = lots[lot, at.NEXT]
        lots[lot, at.NEXT] = state[at.LOT_FREE]
        state[at.LOT_FREE] = lot
        state[at.LOTS_LIVE] -= 1
        lot = following
    release(work, item)
    return flows


@compiled_lean
def first_of_each(claims: Array, n: int) -> int:
    """Keep, of the ``n`` reports listed, each claim's earliest; give how many there are."""
    kept = 0
    for i in range(n):
        claim = claims[claims[i, at.TOUCHED_CLAIM], at.CLAIM_OF]
        if claims[claim, at.COLUMN] < 0:
            claims[claim, at.COLUMN] = 0
            claims[kept, at.TOUCHED_CLAIM] = claims[i, at.TOUCHED_CLAIM]
            kept += 1
    for i in range(kept):
        claims[claims[claims[i, at.TOUCHED_CLAIM], at.CLAIM_OF], at.COLUMN] = -1
    return kept


@compiled_lean
def touch(work: Work) -> None:
    """List the reports that are in the flow, in their order; under poison, of each claim the earliest."""
    state, claims = work.state, work.claims
    n = 0
    for i in range(state[at.FLOWS]):
        claim = work.scratch[i, at.FLOW_CLAIM]
        if claims[claim, at.COLUMN] >= 0:
            continue
        place = n
        while place > 0 and claims[place - 1, at.TOUCHED_CLAIM] > claim:
            claims[place, at.TOUCHED_CLAIM] = claims[place - 1, at.TOUCHED_CLAIM]
            place -= 1
        claims[place, at.TOUCHED_CLAIM] = claim
        claims[claim, at.COLUMN] = 0
        n += 1
    for i in range(n):
        claims[claims[i, at.TOUCHED_CLAIM], at.COLUMN] = -1
    state[at.TOUCHED] = first_of_each(claims, n) if state[at.POLICY] == at.POISON else n


@compiled_lean
def count_hops(work: Work) -> None:
    """Say for every claim in the flow how far what comes out is from a mark: one more than its nearest lot."""
    flow, claims = work.scratch, work.claims
    for f in range(work.state[at.FLOWS]):
        claims[claims[flow[f, at.FLOW_CLAIM], at.CLAIM_OF], at.CLAIM_HOP] = flow[f, at.FLOW_HOP] + 1
    for f in range(work.state[at.FLOWS]):
        claim = claims[flow[f, at.FLOW_CLAIM], at.CLAIM_OF]
        claims[claim, at.CLAIM_HOP] = min(claims[claim, at.CLAIM_HOP], flow[f, at.FLOW_HOP] + 1)


@compiled_lean
def gather(chain: Chain, work: Work, tx: int) -> None:
    """Take all that waits for a chain tx off the heap, and list the chain tx's ins, outs (the fee last) and flow."""
    state = work.state
    leaving = fill_outs(chain, work, tx)
    total = fill_coinbase(chain, work, tx, leaving) if is_coinbase(chain, tx) else fill_ins(chain, work, tx, leaving)
    first_fee = chain.tx_first_output[len(chain.tx_first_output) - 1]
    state[at.OUTS] = slot(work.slots, at.OUT, state[at.OUTS], first_fee + tx, total - leaving)
    state[at.TOTAL] = total
    key = work.items[work.heap[0], at.KEY]
    n = at.ZERO
    while state[at.HEAPED] > 0 and work.items[work.heap[0], at.KEY] == key:
        pop(work)
        n += 1
    forward = state[at.DIRECTION] == at.FORWARD
    side = at.IN if forward else at.OUT
    base = at.ZERO
    flows = at.ZERO
    found = 0
    for i in range(state[at.INS] if forward else state[at.OUTS]):
        item = find(work, n, work.slots[i, side + at.CODE]) if found < n else at.NONE
        if item >= 0:
            found += 1
            flows = take_lots(work, item, flows, i, base)
        base += work.slots[i, side + at.VALUE]
    state[at.FLOWS] = flows
    state[at.TX] = tx
    state[at.VISITED] += 1
    count_hops(work)
    state[at.TOUCHED] = 0
    if state[at.POLICY] not in (at.FIFO, at.LIFO):
        touch(work)
