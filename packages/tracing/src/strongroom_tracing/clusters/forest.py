"""Union-find over the columns, compiled.

Multi-input: whoever signs several inputs of one chain tx holds all their keys (Nakamoto 2008, section 10; Reid and
Harrigan 2011; Androulaki et al. 2013, heuristic I; Meiklejohn et al. 2013, heuristic 1). Union by size keeps trees at
most log2(addresses) deep without compressing them (Tarjan 1975); ``near`` is the compressed copy that makes it fast.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from strongroom_tracing.compiled import compiled

_Numbers = npt.NDArray[np.int64]


@compiled
def join(  # noqa: C901 -- one pass over 10^9 inputs: a call for each of them would cost more than the work
    tx_first_input: _Numbers,
    input_spent: _Numbers,
    output_address: _Numbers,
    mixing: npt.NDArray[np.uint8],
    owned: npt.NDArray[np.bool_],
    first_tx: int,
    last_tx: int,
    near: _Numbers,
    up: _Numbers,
    link: _Numbers,
) -> None:
    """Join the addresses that each chain tx of ``[first_tx, last_tx)`` spends from.

    ``owned`` says of each address whether its coins have an owner. ``near`` and ``up`` hold minus the size at a root.
    Of two trees the smaller goes below the larger, at equal sizes the one that comes later in the tx: the same chain
    gives the same forest.
    """
    for tx in range(first_tx, last_tx):
        begin, end = tx_first_input[tx], tx_first_input[tx + 1]
        if mixing[tx] != 0 or end - begin < 2:  # noqa: PLR2004 -- two addresses make a union
            continue
        top = np.int64(-1)
        before = np.int64(-1)
        for at in range(begin, end):
            spent = input_spent[at]
            if spent < 0:
                continue
            address = output_address[spent]
            if address == before:
                continue
            before = address
            if not owned[address]:
                continue
            root = address
            parent = near[root]
            while parent >= 0:
                above = near[parent]
                if above < 0:
                    root = parent
                    break
                near[root] = above  # halve the path while walking it
                root = above
                parent = near[root]
            if top < 0:
                top = root
            elif root != top:
                if near[root] < near[top]:
                    root, top = top, root
                near[top] += near[root]
                near[root] = top
                up[root] = top
                link[root] = at


@compiled
def settle(near: _Numbers, up: _Numbers, follow: _Numbers) -> None:  # noqa: C901 -- one kernel: each costs seconds
    """Turn ``near`` into the clusters' ids (lowest address number).

    Sets the sizes in ``up``, and chains each cluster's members in ``follow``.
    """
    for address in range(len(near)):
        root = address
        while near[root] >= 0:
            root = near[root]
        if root == address:
            up[address] = near[address]
        else:
            near[address] = root
        follow[address] = -1
    for address in range(len(near)):  # ascending: the first of a tree to come by is its lowest
        root = near[address] if near[address] >= 0 else address
        if follow[root] < 0:
            follow[root] = address
        near[address] = follow[root]
    for address in range(len(near)):
        follow[address] = -1
    for address in range(len(near) - 1, -1, -1):  # the lowest keeps the head until its own turn
        lowest = near[address]
        if lowest != address:
            follow[address] = follow[lowest]
            follow[lowest] = address
