"""CoinJoins, recognised by the shape of a chain tx: what several people sign together joins no addresses.

Each rule is a pure function of one chain tx's columns. Sources, by the short names used below:

- M&B: Möser and Böhme, "Anonymous alone? Measuring Bitcoin's second-generation anonymization techniques", 2017.
- SHMM: Stockinger, Haslhofer, Moreno-Sanchez and Maffei, "Pinpointing and measuring Wasabi and Samourai CoinJoins in
  the Bitcoin ecosystem", 2021 (arXiv 2109.10229), after Ficsór's WasabiVsSamourai and Dumplings.
- S&V: Schnoering and Vazirgiannis, "Heuristics for detecting CoinJoin transactions on the Bitcoin blockchain", 2023
  (arXiv 2311.12491).
- SGMH: Švenda, Gavenda, Mavroudis and Hicks, "CoinJoin ecosystem insights for Wasabi 1.x, Wasabi 2.x and Whirlpool
  coordinator-based privacy mixers", 2026, and their group's BlockSci fork, which carries Dumplings' tests on.

Whoever takes part can add inputs and outputs of his own, and a JoinMarket taker composes the whole chain tx: what he
adds must not make the others one. So no general rule asks for the absence of anything.

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
WABISABI_LATER: Final = 1_717_200_000  # June 2024: the large coordinator's end (SGMH)
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
def sort_pairs(values: _Numbers, others: _Numbers) -> None:
    """Sort both in place as ``sort`` does, by the values and then by what stands beside them."""
    for gap in (701, 301, 132, 57, 23, 10, 4, 1):
        for at in range(gap, len(values)):
            value, other = values[at], others[at]
            place = at
            while place >= gap and (
                values[place - gap] > value or (values[place - gap] == value and others[place - gap] > other)
            ):
                values[place], others[place] = values[place - gap], others[place - gap]
                place -= gap
            values[place], others[place] = value, other


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


@compiled
def covers(in_value: _Numbers, common: int) -> bool:
    """Tell whether inputs cover the common value once for each of the fewest participants.

    After M&B and BlockSci's subset test, of which this is the upper bound: large coins each, small coins together. An
    input of unknown value is -1.
    """
    covered, small = 0, 0
    for value in in_value:
        if value < 0 or value >= common:
            covered += 1
        else:
            small += value
    return covered + small // common >= JOINMARKET_LEAST


@compiled
def is_joinmarket(in_value: _Numbers, out_value: _Numbers, out_address: _Numbers, scripts_in: int) -> bool:
    """Tell a round of JoinMarket, or of any CoinJoin with equal outputs (M&B, S&V).

    Three or more outputs above dust have one value and scripts of their own, inputs come from three scripts or more,
    and they cover that value three times. Whatever else is there (data, a second group, outputs to one script, many
    inputs) changes nothing, because the taker can add it; M&B's and S&V's bounds on that are not asked for. Pays three
    people alike from many coins: taken for one too. ``out_value`` is sorted, ``out_address`` beside it.
    """
    if scripts_in < JOINMARKET_LEAST:
        return False
    scripts = 0
    for at in range(len(out_value)):
        if at == 0 or out_value[at] != out_value[at - 1]:
            scripts = 1
        elif out_address[at] != out_address[at - 1]:
            scripts += 1
            if scripts == JOINMARKET_LEAST and out_value[at] > DUST and covers(in_value, out_value[at]):
                return True
    return False


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

    ``out_value`` is sorted, with ``out_address`` beside it; ``descending`` says whether it falls in the tx itself. The
    addresses are sorted in place.
    An input from before the index has an address of its own below zero, and a value of -1 where nobody knows it.
    """
    coordinated = False
    for address in out_address:
        for coordinator in coordinators:
            if address == coordinator:
                coordinated = True
    sort(in_address)
    scripts_in = distinct(in_address)
    equal_outputs = is_joinmarket(in_value, out_value, out_address, scripts_in)
    sort(out_address)
    scripts_out = distinct(out_address)
    wabisabi_least = WABISABI_INPUTS if time < WABISABI_LATER else WABISABI_INPUTS_LATER
    if time >= WHIRLPOOL_SINCE and is_whirlpool(in_value, out_value, scripts_in, scripts_out):
        return _WHIRLPOOL
    if time >= WABISABI_SINCE and is_wasabi_20(
        len(in_value), wabisabi_least, out_value, descending, scripts_out, denominations
    ):
        return _WASABI_20
    wasabi = wasabi_1(out_value, scripts_in, scripts_out, coordinated) if time >= WASABI_SINCE else 0
    if wasabi > 0:
        return wasabi
    return _JOINMARKET if equal_outputs else 0


@compiled
def recognise(
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
            scratch[3, at] = output_address[first_out + at]
            descending = descending and (at == 0 or scratch[2, at] <= scratch[2, at - 1])
        sort_pairs(scratch[2, :outs], scratch[3, :outs])
        _, times = commonest(scratch[2, :outs], 0, MONEY)
        # The inputs lie scattered: look at them only if it matters.
        if times < JOINMARKET_LEAST and ins < WABISABI_INPUTS_LATER:
            continue
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
