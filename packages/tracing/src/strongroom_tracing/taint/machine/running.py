"""The loop: the next chain tx that taint reaches, in chain order, until nothing waits."""

from __future__ import annotations

from strongroom_tracing.compiled import compiled_lean
from strongroom_tracing.taint.machine import layout as at
from strongroom_tracing.taint.machine.gathering import gather, slots_needed
from strongroom_tracing.taint.machine.layout import Chain, Work
from strongroom_tracing.taint.machine.settling import place
from strongroom_tracing.taint.machine.spreading import spread
from strongroom_tracing.taint.machine.waiting import is_coinbase, key_of, last_at_most, last_mark, pop, push, release


@compiled_lean
def wake(chain: Chain, work: Work) -> None:
    """Let every mark wait: right behind the chain tx through which other money may arrive at its output."""
    state = work.state
    for i in range(work.marks.shape[1]):
        output = work.marks[at.MARK_OUTPUT, i]
        tx = last_at_most(chain.tx_first_output, output)
        if state[at.DIRECTION] == at.BACKWARD:
            tx = chain.output_spending[output]
        key = key_of(chain, state, tx) + 1 if tx >= 0 else -4 * len(chain.tx_first_output) - 4
        push(work, key, at.NONE, output, at.NONE)


@compiled_lean
def fits(work: Work, slots: int, marks: int) -> bool:
    """Tell whether there is room for what the next step may write; else say in the state how much is needed."""
    state = work.state
    outs = max(state[at.OUTS], state[at.INS])
    pieces = state[at.FLOWS] + outs * (state[at.TOUCHED] + 1) + 1
    state[at.NEED_SLOTS] = slots
    state[at.NEED_LOTS] = 2 * pieces + marks + outs + 2
    state[at.NEED_ROWS] = pieces + (2 * pieces + marks + 2) * (state[at.MOST_MARKS] + 2)
    state[at.NEED_GRID] = outs * state[at.TOUCHED]
    return (
        len(work.slots) >= slots
        and len(work.lots) - state[at.LOTS_LIVE] >= state[at.NEED_LOTS]
        and len(work.items) - state[at.HEAPED] >= state[at.NEED_LOTS]
        and len(work.rows) - state[at.ROWS] >= state[at.NEED_ROWS]
        and len(work.grid) >= state[at.NEED_GRID]
    )


@compiled_lean
def marks_within(work: Work, first: int, last: int) -> int:
    """Count the marks on the outputs ``first`` to ``last``."""
    return last_mark(work.marks, last) - last_mark(work.marks, first - 1)


@compiled_lean
def marks_of_sinks(chain: Chain, work: Work, tx: int) -> int:
    """Count the marks on what money may arrive at through a chain tx."""
    if work.state[at.DIRECTION] == at.FORWARD:
        return marks_within(work, chain.tx_first_output[tx], chain.tx_first_output[tx + 1] - 1)
    marks = 0
    if not is_coinbase(chain, tx):
        for i in range(chain.tx_first_input[tx], chain.tx_first_input[tx + 1]):
            marks += marks_within(work, chain.input_spent[i], chain.input_spent[i])
    return marks


@compiled_lean
def awake(chain: Chain, work: Work) -> bool:
    """Settle the mark that is first on the heap, unless money has arrived there before; False: there is no room."""
    output = work.items[work.heap[0], at.OUTPUT]
    if not fits(work, at.ZERO, marks_within(work, output, output)):
        return False
    release(work, pop(work))
    if work.marks[at.MARK_DONE, last_mark(work.marks, output)] == 0:
        place(chain, work, output, at.ZERO)
    return True


@compiled_lean
def advance(chain: Chain, work: Work, budget: int) -> int:  # noqa: C901 - compiled: calls cost
    """Follow taint through at most ``budget`` chain txs; give ``DONE``, ``PAUSED``, ``GROW`` or ``WRONG``."""
    state = work.state
    if state[at.PHASE] == at.STARTING:
        wake(chain, work)
        state[at.PHASE] = at.TAKING
    while state[at.PHASE] == at.SPREADING or state[at.HEAPED] > 0:
        if state[at.PHASE] == at.TAKING:
            state[at.FLOWS] = 0
            state[at.TOUCHED] = 0
            state[at.OUTS] = 0
            state[at.INS] = 0
            item = work.heap[0]
            if work.items[item, at.HEAD] < 0:
                if not awake(chain, work):
                    return at.GROW
                continue
            if budget == 0:
                return at.PAUSED
            tx = work.items[item, at.NEXT_TX]
            if not fits(work, slots_needed(chain, tx), at.ZERO):
                return at.GROW
            gather(chain, work, tx)
            state[at.PHASE] = at.SPREADING
        if not fits(work, at.ZERO, marks_of_sinks(chain, work, state[at.TX])):
            return at.GROW
        spread(chain, work)
        state[at.PHASE] = at.TAKING
        budget -= 1
        if state[at.BROKEN]:
            return at.WRONG
    return at.WRONG if state[at.BROKEN] else at.DONE
