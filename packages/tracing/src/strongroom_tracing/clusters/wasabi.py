"""Rounds of Wasabi 1.0, 1.1 and 2.0 (sources: see ``coinjoin``). All values in satoshi. Read by compiled code."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.clusters.counting import commonest
from strongroom_tracing.clusters.model import Mixing
from strongroom_tracing.compiled import compiled

_Numbers = npt.NDArray[np.int64]

# SHMM: the base is 0.1 BTC, which shrank and grew with the coordinator's settings by up to 0.02 BTC.
WASABI_BASE: Final = 10_000_000
WASABI_TOLERANCE: Final = 2_000_000
# SHMM: without the coordinator's address only large rounds are told from payments; with it, three equal outputs
# (Ficsór).
WASABI_LEAST: Final = 10
WASABI_LEAST_COORDINATED: Final = 3
WASABI_INPUTS_EACH: Final = 7  # S&V: the most that one participant may register
# The wallet's own test of a round, as in Dumplings: 50 inputs, and more than four of five outputs are standard
# denominations.
WABISABI_INPUTS: Final = 50
# After the large coordinator had gone, rounds became smaller (SGMH's fork of BlockSci: 20 inputs from block 850,237).
WABISABI_INPUTS_LATER: Final = 20
WABISABI_SMALLEST: Final = 5_000
WABISABI_LARGEST: Final = 137_438_953_472

_WASABI_10: Final = int(Mixing.WASABI_10)  # plain integers, because compiled code reads constants only
_WASABI_11: Final = int(Mixing.WASABI_11)


def standard_denominations() -> _Numbers:
    """Give WabiSabi's standard denominations, sorted: 2^k, 3^k, 2·3^k, 10^k, 2·10^k and 5·10^k within its limits."""
    made = {
        factor * base**power
        for factor, base in ((1, 2), (1, 3), (2, 3), (1, 10), (2, 10), (5, 10))
        for power in range(40)
    }
    return np.array(sorted(v for v in made if WABISABI_SMALLEST <= v <= WABISABI_LARGEST), dtype=np.int64)


@compiled
def is_wasabi_20(
    inputs: int,
    least: int,
    out_value: _Numbers,
    descending: bool,  # noqa: FBT001 -- compiled: no keywords
    scripts_out: int,
    denominations: _Numbers,
) -> bool:
    """Tell a Wasabi 2.0 (WabiSabi) round.

    ``least`` inputs or more, outputs of 5,000 sat or more in falling order. More than four in five outputs are standard
    denominations (the wallet's own test; S&V ask for fewer and no standard ones), and so many scripts are different:
    one who is paid twice changes nothing. ``out_value`` is sorted; ``descending`` says whether it falls in the tx.
    """
    count = len(out_value)
    if inputs < least or count == 0 or not descending or 5 * scripts_out <= 4 * count:
        return False
    if out_value[0] < WABISABI_SMALLEST:
        return False
    standard = 0
    for value in out_value:
        at = np.searchsorted(denominations, value)
        if at < len(denominations) and denominations[at] == value:
            standard += 1
    return 5 * standard > 4 * count


@compiled
def wasabi_1(out_value: _Numbers, scripts_in: int, scripts_out: int, coordinated: bool) -> int:  # noqa: FBT001 -- compiled: no keywords
    """Tell a Wasabi 1 round: 1.0, 1.1 (with levels), or 0 for none.

    The commonest value near 0.1 BTC is the base; ten or more participants get it (SHMM), or three where an output pays
    the coordinator; each of them registers one to seven inputs; no output script comes twice (S&V). 1.0: at most one
    change for each base output, and the coordinator's (S&V). 1.1: outputs of base·2^i, twice or more at a level, count
    as mixed too; all others are at most one change for each input, and the coordinator's (S&V, equation 22).
    ``out_value`` is sorted.
    """
    base, count = commonest(out_value, WASABI_BASE - WASABI_TOLERANCE, WASABI_BASE + WASABI_TOLERANCE)
    least = WASABI_LEAST_COORDINATED if coordinated else WASABI_LEAST
    if count < least or scripts_in < count or scripts_in > WASABI_INPUTS_EACH * count or scripts_out != len(out_value):
        return 0
    mixed, levels = count, 0
    level = 2 * base
    while level <= out_value[len(out_value) - 1]:
        _, times = commonest(out_value, level, level)
        if times > 1:
            mixed += times
            levels += 1
        level *= 2
    if levels > 0 and mixed >= len(out_value) - scripts_in - 1:
        return _WASABI_11
    return _WASABI_10 if 2 * count >= len(out_value) - 1 else 0
