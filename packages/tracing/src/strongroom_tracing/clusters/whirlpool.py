"""Rounds of Whirlpool (sources: see ``coinjoin``). All values in satoshi. Read by compiled code."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.compiled import compiled

_Numbers = npt.NDArray[np.int64]

# SHMM, S&V: 0.001, 0.01, 0.05 and 0.5 BTC; five participants, up to ten in the later "surge" rounds.
WHIRLPOOL_POOLS: Final = (100_000, 1_000_000, 5_000_000, 50_000_000)
WHIRLPOOL_FEE: Final = 110_000  # SHMM: what a newcomer brings above the pool's value, at most
WHIRLPOOL_LEAST: Final = 5
WHIRLPOOL_MOST: Final = 10


@compiled
def is_whirlpool(in_value: _Numbers, out_value: _Numbers, scripts_in: int, scripts_out: int) -> bool:
    """Tell a Whirlpool round (SHMM, S&V).

    As many inputs as outputs, all outputs exactly one pool's value, no script twice. Remixers bring exactly the pool's
    value, newcomers a little more for the fees; there is at least one of each. ``out_value`` is sorted; an input of
    unknown value is -1.
    """
    count = len(out_value)
    if count < WHIRLPOOL_LEAST or count > WHIRLPOOL_MOST or len(in_value) != count:
        return False
    pool = out_value[0]
    if pool != out_value[count - 1] or scripts_in != count or scripts_out != count or pool not in WHIRLPOOL_POOLS:
        return False
    remixers, newcomers, unknown = 0, 0, 0
    for value in in_value:
        if value < 0:
            unknown += 1
        elif value == pool:
            remixers += 1
        elif pool < value <= pool + WHIRLPOOL_FEE:
            newcomers += 1
        else:
            return False
    return remixers + unknown > 0 and newcomers + unknown > 0
