"""CoinJoins, recognised by the shape of a chain tx: what several people sign together joins no addresses.

Each rule is a pure function of one chain tx's columns. Sources, by the short names used below:

- M&B: Möser and Böhme, "Anonymous alone? Measuring Bitcoin's second-generation anonymization techniques", 2017.
- SHMM: Stockinger, Haslhofer, Moreno-Sanchez and Maffei, "Pinpointing and measuring Wasabi and Samourai CoinJoins in
  the Bitcoin ecosystem", 2021 (arXiv 2109.10229), after Ficsór's WasabiVsSamourai and Dumplings.
- S&V: Schnoering and Vazirgiannis, "Heuristics for detecting CoinJoin transactions on the Bitcoin blockchain", 2023
  (arXiv 2311.12491).
- SGMH: Švenda, Gavenda, Mavroudis and Hicks, "CoinJoin ecosystem insights for Wasabi 1.x, Wasabi 2.x and Whirlpool
  coordinator-based privacy mixers", 2026, and their project's notes on what is falsely taken for JoinMarket.

A rule errs towards "CoinJoin": two clusters too many are a nuisance, one cluster of strangers is a false accusation.
Inputs from before the index count as strangers of any value that fits. All values in satoshi.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.clusters.model import Mixing
from strongroom_tracing.compiled import compiled

_Numbers = npt.NDArray[np.int64]

# S&V: several equal outputs of dust are airdrops and coloured coins (546 and 2730 are what such wallets send).
DUST: Final = 2_730
# JoinMarket allows one maker, but two equal outputs happen by chance in ordinary payments (S&V trust them least): from
# three on.
JOINMARKET_LEAST: Final = 3
JOINMARKET_CROWDED: Final = 4  # SGMH: so many times more inputs than outputs is one owner gathering coins
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
WABISABI_SMALLEST: Final = 5_000
WABISABI_LARGEST: Final = 137_438_953_472
# SHMM, S&V: 0.001, 0.01, 0.05 and 0.5 BTC; five participants, up to ten in the later "surge" rounds.
WHIRLPOOL_POOLS: Final = (100_000, 1_000_000, 5_000_000, 50_000_000)
WHIRLPOOL_FEE: Final = 110_000  # SHMM: what a newcomer brings above the pool's value, at most
WHIRLPOOL_LEAST: Final = 5
WHIRLPOOL_MOST: Final = 10

# Unix seconds of the first days of Wasabi 1, Whirlpool and Wasabi 2 (the first blocks in Dumplings): what is older has
# another maker, and is named by its shape only.
WASABI_SINCE: Final = 1_530_403_200  # July 2018
WHIRLPOOL_SINCE: Final = 1_554_076_800  # April 2019
WABISABI_SINCE: Final = 1_654_041_600  # June 2022
MONEY: Final = 2**62  # more than any chain's money

# Plain integers, because compiled code reads constants only.
_JOINMARKET: Final = int(Mixing.JOINMARKET)
_WASABI_10: Final = int(Mixing.WASABI_10)
_WASABI_11: Final = int(Mixing.WASABI_11)
_WASABI_20: Final = int(Mixing.WASABI_20)
_WHIRLPOOL: Final = int(Mixing.WHIRLPOOL)


def standard_denominations() -> _Numbers:
    """Give WabiSabi's standard denominations, sorted: 2^k, 3^k, 2·3^k, 10^k, 2·10^k and 5·10^k within its limits."""
    made = {
        factor * base**power
        for factor, base in ((1, 2), (1, 3), (2, 3), (1, 10), (2, 10), (5, 10))
        for power in range(40)
    }
    return np.array(sorted(v for v in made if WABISABI_SMALLEST <= v <= WABISABI_LARGEST), dtype=np.int64)


@compiled
def sort(values: _Numbers) -> None:
    """Sort in place by Shell's method (gaps of Ciura 2001); a tx's few values are not worth a larger sort."""
    for gap in (701, 301, 132, 57, 23, 10, 4, 1):
        for at in range(gap, len(values)):
            value = values[at]
            place = at
            while place >= gap and values[place - gap] > value:
                values[place] = values[place - gap]
                place -= gap
            values[place] = value


@compiled
def commonest(values: _Numbers, low: int, high: int) -> tuple[int, int]:
    """Give the commonest of sorted values within ``[low, high]`` (of equals the largest) and how often.

    (0, 0) for none.
    """
    best, times, run = 0, 0, 0
    for at in range(len(values)):
        value = values[at]
        run = run + 1 if at > 0 and values[at - 1] == value else 1
        if low <= value <= high and run >= times:
            best, times = value, run
    return best, times


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


@compiled
def is_wasabi_20(
    inputs: int,
    out_value: _Numbers,
    descending: bool,  # noqa: FBT001 -- compiled: no keywords
    scripts_out: int,
    denominations: _Numbers,
) -> bool:
    """Tell a Wasabi 2.0 (WabiSabi) round.

    50 inputs or more, outputs of 5,000 sat or more in falling order, no script twice. More than four in five outputs
    are standard denominations (the wallet's own test; S&V ask for fewer and no standard ones). ``out_value`` is sorted;
    ``descending`` says whether it falls in the tx itself.
    """
    count = len(out_value)
    if inputs < WABISABI_INPUTS or count == 0 or not descending or scripts_out != count:
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


@compiled
def is_joinmarket(in_value: _Numbers, out_value: _Numbers, scripts_in: int, scripts_out: int) -> bool:
    """Tell a round of JoinMarket, or of any CoinJoin with equal outputs (M&B, S&V).

    Of each participant one output has the common value, and at most one other is change, so that the common ones are
    half of all or more; each participant brings an input, and inputs that cover the common value (after M&B and
    BlockSci's subset test, of which this is the upper bound: large coins each, small coins together); no output script
    comes twice. None carries data, and there are not many more inputs than outputs (SGMH). ``out_value`` is sorted; an
    input of unknown value is -1.
    """
    common, count = commonest(out_value, DUST + 1, MONEY)
    if count < JOINMARKET_LEAST or 2 * count < len(out_value) or scripts_in < count or scripts_out != len(out_value):
        return False
    if out_value[0] == 0 or len(in_value) >= JOINMARKET_CROWDED * len(out_value):
        return False
    covered, small = 0, 0
    for value in in_value:
        if value < 0 or value >= common:
            covered += 1
        else:
            small += value
    return covered + small // common >= count


@compiled
def distinct(values: _Numbers) -> int:
    """Count the different ones of sorted values."""
    count = 0
    for at in range(len(values)):
        if at == 0 or values[at - 1] != values[at]:
            count += 1
    return count


@compiled
def kind_of(
    in_value: _Numbers,
    in_address: _Numbers,
    out_value: _Numbers,
    out_address: _Numbers,
    descending: bool,  # noqa: FBT001 -- compiled: no keywords
    time: int,
    coordinators: _Numbers,
    denominations: _Numbers,
) -> int:
    """Say what mixing one chain tx of a time (unix seconds) is (a ``Mixing``), the more specific rule first.

    ``out_value`` is sorted, ``descending`` says whether it falls in the tx itself; the addresses are sorted in place.
    An input from before the index has an address of its own below zero, and a value of -1 where nobody knows it.
    """
    coordinated = False
    for address in out_address:
        for coordinator in coordinators:
            if address == coordinator:
                coordinated = True
    sort(in_address)
    sort(out_address)
    scripts_in, scripts_out = distinct(in_address), distinct(out_address)
    if time >= WHIRLPOOL_SINCE and is_whirlpool(in_value, out_value, scripts_in, scripts_out):
        return _WHIRLPOOL
    if time >= WABISABI_SINCE and is_wasabi_20(len(in_value), out_value, descending, scripts_out, denominations):
        return _WASABI_20
    wasabi = wasabi_1(out_value, scripts_in, scripts_out, coordinated) if time >= WASABI_SINCE else 0
    if wasabi > 0:
        return wasabi
    return _JOINMARKET if is_joinmarket(in_value, out_value, scripts_in, scripts_out) else 0


@compiled
def recognise(  # noqa: C901 -- one pass over all chain txs: most of them are told from CoinJoins by their sizes alone
    block_first_tx: _Numbers,
    block_time: _Numbers,
    tx_first_input: _Numbers,
    tx_first_output: _Numbers,
    input_spent: _Numbers,
    external_value: _Numbers,
    output_value: _Numbers,
    output_address: _Numbers,
    coordinators: _Numbers,
    denominations: _Numbers,
    first_tx: int,
    last_tx: int,
    mixing: npt.NDArray[np.uint8],
) -> None:
    """Write what mixing each chain tx of ``[first_tx, last_tx)`` is into ``mixing``."""
    scratch = np.empty((4, 1024), np.int64)
    for tx in range(first_tx, last_tx):
        first_in, first_out = tx_first_input[tx], tx_first_output[tx]
        ins, outs = tx_first_input[tx + 1] - first_in, tx_first_output[tx + 1] - first_out
        mixing[tx] = 0
        if ins < JOINMARKET_LEAST or outs < JOINMARKET_LEAST:  # no rule knows a smaller one
            continue
        if ins > scratch.shape[1] or outs > scratch.shape[1]:
            scratch = np.empty((4, 2 * max(ins, outs)), np.int64)
        descending = True
        for at in range(outs):
            scratch[2, at] = output_value[first_out + at]
            descending = descending and (at == 0 or scratch[2, at] <= scratch[2, at - 1])
        sort(scratch[2, :outs])
        _, times = commonest(scratch[2, :outs], 0, MONEY)
        if (
            times < JOINMARKET_LEAST and ins < WABISABI_INPUTS
        ):  # the inputs lie scattered: look at them only if it matters
            continue
        for at in range(outs):
            scratch[3, at] = output_address[first_out + at]
        for at in range(ins):
            spent = input_spent[first_in + at]
            if spent >= 0:
                scratch[0, at] = output_value[spent]
                scratch[1, at] = output_address[spent]
            else:
                scratch[0, at] = external_value[-2 - spent] if spent < -1 else -1
                scratch[1, at] = -1 - at
        mixing[tx] = kind_of(
            scratch[0, :ins],
            scratch[1, :ins],
            scratch[2, :outs],
            scratch[3, :outs],
            descending,
            block_time[np.searchsorted(block_first_tx, tx, side="right") - 1],
            coordinators,
            denominations,
        )
