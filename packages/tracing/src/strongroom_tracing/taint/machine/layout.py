"""How the machine keeps its state: tables of 64-bit integers that Python makes and grows.

What lots, marks and rows have as CLAIM is a *report*: the marks of one claim between which none of another claim stands
in the order of report. Reports are numbered in that order, so of two the lower is the earlier one; ``CLAIM_OF`` says
whose it is. Two reports of one claim never lose to each other.

Read by compiled code.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.int64]

# Policies, directions and what becomes of fees, as the machine counts them.
POISON: Final = 0
HAIRCUT: Final = 1
FIFO: Final = 2
LIFO: Final = 3
TIHO: Final = 4
FORWARD: Final = 0
BACKWARD: Final = 1
ABSORBED: Final = 0
CARRIED: Final = 1

# ``state``: one number each.
POLICY: Final = 0
DIRECTION: Final = 1
FEES: Final = 2
HOPS: Final = 3  # followed through so many chain txs; -1: without end
SMALLEST: Final = 4  # an output with less taint than this is not followed
BOUND: Final = 5  # forward: the first chain tx above the limit; backward: the first chain tx that is not below it
SUBSIDY: Final = 6  # base units at height 0; 0: unknown, taken from what coinbases claim
HALVING: Final = 7  # blocks
FIRST_HEIGHT: Final = 8
MOST_MARKS: Final = 9  # on one output
HEAPED: Final = 10  # entries of the heap
ITEMS: Final = 11  # rows of ``items`` ever used
ITEM_FREE: Final = 12  # the first of the rows that are free again, -1: none
LOTS: Final = 13
LOT_FREE: Final = 14
LOTS_LIVE: Final = 15
ROWS: Final = 16
VISITED: Final = 18
PHASE: Final = 19
TX: Final = 20  # the chain tx in hand
INS: Final = 22  # slots of the chain tx in hand
OUTS: Final = 23
FLOWS: Final = 24
TOTAL: Final = 25  # base units that go through the chain tx in hand
TOUCHED: Final = 26  # claims in it
NEED_SLOTS: Final = 27
NEED_LOTS: Final = 28
NEED_ROWS: Final = 29
NEED_GRID: Final = 30
NOW: Final = 31  # the key that was last taken off the heap
BROKEN: Final = 32  # 1: money is spent before it is made
STATE: Final = 33

SUBSIDY_BITS: Final = 62  # halved so often, nothing is left

# Numbers as arguments: written out, each would make compiled code of its own.
ZERO: Final = 0
ONE: Final = 1
NONE: Final = -1

# Values of ``PHASE``.
TAKING: Final = 0  # the next chain tx is to be taken
SPREADING: Final = 1  # its sources are gathered, its money is to be spread
STARTING: Final = 2

# What ``advance`` says.
DONE: Final = 0
PAUSED: Final = 1
GROW: Final = 2
WRONG: Final = 3  # the columns are not in chain order

# ``items``: money that waits for its next chain tx.
KEY: Final = 0
OUTPUT: Final = 1
HEAD: Final = 2  # of its list of lots; -1: a mark that waits
NEXT_TX: Final = 3
FREE: Final = 4

# ``lots``, and in ``scratch`` the cell: what arrives at the output in hand.
CLAIM: Final = 0
START: Final = 1
LENGTH: Final = 2
NEXT: Final = 3
AT_HOP: Final = 4  # chain txs from the nearest mark of the lot's own claim
# ``scratch``, further: a spare cell, the flow (the lots that go through the chain tx in hand, and from which slot), and
# the hops of the lots of the cell that go on, and of the flow.
SPARE: Final = 3
FLOW_CLAIM: Final = 6
FLOW_START: Final = 7
FLOW_LENGTH: Final = 8
FLOW_SLOT: Final = 9
CELL_HOP: Final = 10
FLOW_HOP: Final = 11

# ``slots``: the ins of the chain tx in hand, its outs, and a table to sort either.
IN: Final = 0
OUT: Final = 3
CODE: Final = 0  # what a slot is: an output, ``outputs + tx`` for a fee, or what ``Columns.input_spent`` says
VALUE: Final = 1
ROOM: Final = 2
ORDER: Final = 6
WEIGHT: Final = 7

# ``marks``, one line each, sorted by output and report.
MARK_OUTPUT: Final = 0
MARK_CLAIM: Final = 1
MARK_AMOUNT: Final = 2
MARK_DONE: Final = 3

# ``claims``, a line for each report; what is said of a claim stands in the line of its own number, of which there are
# never more.
TOUCHED_CLAIM: Final = 0
COLUMN: Final = 1  # of a report in ``grid``, -1: none
CLAIM_HOP: Final = 2  # of a claim in what comes out of the chain tx in hand
CLAIM_OF: Final = 3  # the claim that a report is of
LAST_MOVE: Final = 4  # of a claim: its last row among the moves, -1: none
CLAIM_WIDTH: Final = 5

# Kinds of rows: (kind, output or chain tx, claim, value, one thing more, another).
HELD: Final = 0
SERVICE: Final = 1  # ... the address
FEE: Final = 2  # of a chain tx
BELOW: Final = 3  # of an output, or of a fee that would be carried on, as ``CODE`` says
HOP_LIMIT: Final = 4
HEIGHT_LIMIT: Final = 5
CONTESTED: Final = 6  # ... the claim that won, ... the address where it is a service's (poison), -1: none
ORIGIN: Final = 7  # of a chain tx; ... -1 new money, or the code of an output from before the index
MARKED: Final = 8  # ... the part that was there as the claim's own flow
ASSUMED: Final = 9  # of a chain tx; value is what inputs of unknown value were taken for; ... how many
MOVE: Final = 10  # through a chain tx; ... from, ... to


class Chain(NamedTuple):
    """The columns that taint needs, all read-only (so that arrays in memory and mapped files are one type)."""

    block_first_tx: Array
    tx_first_input: Array
    tx_first_output: Array
    input_spent: Array
    external_value: Array
    output_value: Array
    output_address: Array
    output_spending: Array


class Work(NamedTuple):
    """What the machine writes, and the marks and stops that it reads. Few arrays: each costs time to compile."""

    state: Array
    marks: Array  # (4, marks)
    stops: Array  # addresses, sorted
    heap: Array  # of items
    items: Array
    lots: Array
    scratch: Array
    slots: Array
    claims: Array
    grid: Array  # (slots, claims touched): what of a claim goes to a slot
    rows: Array  # the answer
