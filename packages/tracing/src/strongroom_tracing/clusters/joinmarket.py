"""Rounds of JoinMarket, and of any CoinJoin with equal outputs (sources: see ``coinjoin``). Read by compiled code.

Two rules, either of which is enough. The shape of the whole chain tx is what the literature tells a round by. But a
taker composes the round, and for the price of an output can spoil its shape; so makers are also looked for one by one,
whatever else the chain tx holds. All values in satoshi; an input of unknown value is -1.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.compiled import compiled

_Numbers = npt.NDArray[np.int64]

# S&V: several equal outputs of dust are airdrops and coloured coins (546 and 2730 are what such wallets send; Goldfeder
# et al. leave out the same two).
DUST: Final = 2_730
# JoinMarket allows one maker, but two equal outputs happen by chance in ordinary payments (S&V trust them least): from
# three on.
LEAST: Final = 3
# SGMH's analysis of JoinMarket: with four times as many inputs as outputs somebody gathers his coins.
LOPSIDED: Final = 4
# What a maker keeps differs from what he brought, less what he gave into the mix, by what he earned, or lost where he
# paid more of the miner's fee. JoinMarket's yield generators asked for two in a thousand at most, or 5,000 sat where
# that is more, and paid 1,000 sat of the fee at most.
EARNED_ONE_IN: Final = 500
EARNED_LEAST: Final = 5_000
LOST_MOST: Final = 1_000
CHANGE_LEAST: Final = 27_300  # JoinMarket's dust: a maker takes no part if less than that would be left to him
MAKERS: Final = 2  # with the taker: three people


@compiled
def covers(brought: _Numbers, common: int, times: int) -> bool:
    """Tell whether scripts brought the common value so many times: large ones each, small ones together.

    Upper bound of the subset test of M&B and of Goldfeder et al. (BlockSci), which fills a bucket for each participant.
    """
    covered, small = 0, 0
    for value in brought:
        if value < 0 or value >= common:
            covered += 1
        else:
            small += value
    return covered + small // common >= times


@compiled
def makers(brought: _Numbers, out_value: _Numbers, common: int) -> int:
    """Count participants whose coins and change tell them: brought = common value + change - what was earned.

    The equation of Goldfeder et al. and M&B for one participant who spends from one script; with sums of several,
    chance finds it in every service's payouts. Both arrays are sorted; values below zero are unknown and tell nobody.
    """
    earned = max(common // EARNED_ONE_IN, EARNED_LEAST)
    found, at = 0, 0
    for change in out_value:  # both ascend: the first that fits spoils no other
        if change == common or change < CHANGE_LEAST:
            continue
        while at < len(brought) and brought[at] < common + change - earned:
            at += 1
        if at < len(brought) and brought[at] <= common + change + LOST_MOST:
            found += 1
            at += 1
    return found


@compiled
def gathered(in_value: _Numbers, in_address: _Numbers, brought: _Numbers) -> int:
    """Write what each script brought into ``brought``, and count the scripts.

    ``in_address`` is sorted with ``in_value`` beside it. A script with an input of unknown value brought -1.
    """
    count = 0
    for at in range(len(in_value)):
        if at == 0 or in_address[at] != in_address[at - 1]:
            brought[count] = in_value[at]
            count += 1
        elif brought[count - 1] < 0 or in_value[at] < 0:
            brought[count - 1] = -1
        else:
            brought[count - 1] += in_value[at]
    return count


@compiled
def is_joinmarket(brought: _Numbers, inputs: int, out_value: _Numbers, out_address: _Numbers, scripts_out: int) -> bool:
    """Tell a round of JoinMarket, or of any CoinJoin with equal outputs.

    Three or more outputs above dust have one value and scripts of their own, and three scripts' inputs cover it. Then
    either the shape is a round's: at least half of the outputs have that value, no more of them than scripts that are
    spent from, whose inputs cover it for each; no script is paid twice (S&V, and GraphSense after them; Goldfeder et
    al. ask for exactly half); no output is data, and the inputs are fewer than four times the outputs (SGMH). Or two
    makers are told by their coins and their change (``makers``), beside whatever the taker added.

    ``brought`` is sorted; ``out_value`` is sorted, ``out_address`` beside it; ``scripts_out`` counts different scripts.
    """
    count = len(out_value)
    least: Any = np.int64(LEAST)  # numba would compile ``covers`` once more for a literal
    if len(brought) < LEAST:
        return False
    shaped = scripts_out == count and out_value[0] > 0 and inputs < LOPSIDED * count
    scripts = 0
    for at in range(count):
        if at == 0 or out_value[at] != out_value[at - 1]:
            scripts = 1
        elif out_address[at] != out_address[at - 1]:
            scripts += 1
        last = at + 1 == count or out_value[at + 1] != out_value[at]
        if not last or scripts < LEAST or out_value[at] <= DUST or not covers(brought, out_value[at], least):
            continue
        if shaped and 2 * scripts >= count and scripts <= len(brought) and covers(brought, out_value[at], scripts):
            return True
        if makers(brought, out_value, out_value[at]) >= MAKERS:
            return True
    return False
