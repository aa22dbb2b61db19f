"""CoinJoins, recognised by the shape of a chain tx: what several people sign together joins no addresses.

Each rule is a pure function of one chain tx's columns. Sources, by the short names used below:

- M&B: Möser and Böhme, "Anonymous alone? Measuring Bitcoin's second-generation anonymization techniques", 2017.
- SHMM: Stockinger, Haslhofer, Moreno-Sanchez and Maffei, "Pinpointing and measuring Wasabi and Samourai CoinJoins in
  the Bitcoin ecosystem", 2021 (arXiv 2109.10229), after Ficsór's WasabiVsSamourai and Dumplings.
- S&V: Schnoering and Vazirgiannis, "Heuristics for detecting CoinJoin transactions on the Bitcoin blockchain", 2023
  (arXiv 2311.12491).
- SGMH: Švenda, Gavenda, Mavroudis and Hicks, "CoinJoin ecosystem insights for Wasabi 1.x, Wasabi 2.x and Whirlpool
  coordinator-based privacy mixers", 2026, and their group's BlockSci fork, which carries Dumplings' tests on, and
  coinjoin-analysis, which says what of Dumplings' candidates is no round of JoinMarket.
- Goldfeder, Kalodner, Reisman and Narayanan, "When the cookie meets the blockchain", 2018, whose rule BlockSci has.

A rule errs towards "CoinJoin": two clusters too many are a nuisance, one cluster of strangers is a false accusation.
Inputs from before the index count as strangers of any value that fits. All values in satoshi.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.clusters.counting import commonest, distinct, sort, sort_pairs
from strongroom_tracing.clusters.joinmarket import LEAST, gathered, is_joinmarket
from strongroom_tracing.clusters.model import Mixing
from strongroom_tracing.clusters.wasabi import (
    WABISABI_INPUTS,
    WABISABI_INPUTS_LATER,
    is_wasabi_20,
    wasabi_1,
)
from strongroom_tracing.clusters.whirlpool import is_whirlpool
from strongroom_tracing.compiled import compiled

_Numbers = npt.NDArray[np.int64]

# Unix seconds of the first days of Wasabi 1, Whirlpool and Wasabi 2 (the first blocks in Dumplings): what is older has
# another maker, and is named by its shape only.
WASABI_SINCE: Final = 1_530_403_200  # July 2018
WHIRLPOOL_SINCE: Final = 1_554_076_800  # April 2019
WABISABI_SINCE: Final = 1_654_041_600  # June 2022
WABISABI_LATER: Final = 1_717_200_000  # June 2024: the large coordinator's end (SGMH)
MONEY: Final = 2**62  # more than any chain's money

# Plain integers, because compiled code reads constants only.
_JOINMARKET: Final = int(Mixing.JOINMARKET)
_WASABI_20: Final = int(Mixing.WASABI_20)
_WHIRLPOOL: Final = int(Mixing.WHIRLPOOL)


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
    to_coordinators = 0
    for address in out_address:
        for coordinator in coordinators:
            to_coordinators += address == coordinator
    sort_pairs(in_address, in_value)
    by_address = out_address.copy()
    sort(by_address)
    scripts_out = distinct(by_address)
    scripts_in = distinct(in_address)
    wabisabi_least = WABISABI_INPUTS if time < WABISABI_LATER else WABISABI_INPUTS_LATER
    if time >= WHIRLPOOL_SINCE and is_whirlpool(in_value, out_value, scripts_in, scripts_out):
        return _WHIRLPOOL
    if time >= WABISABI_SINCE and is_wasabi_20(
        len(in_value), wabisabi_least, out_value, descending, scripts_out, denominations
    ):
        return _WASABI_20
    wasabi = wasabi_1(out_value, scripts_in, scripts_out, to_coordinators > 0) if time >= WASABI_SINCE else 0
    if wasabi > 0:
        return wasabi
    brought = np.empty(len(in_value), np.int64)
    brought = brought[: gathered(in_value, in_address, brought)]
    sort(brought)
    return _JOINMARKET if is_joinmarket(brought, len(in_value), out_value, out_address, scripts_out) else 0


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
    none: Any = np.int64(0)  # numba would compile a callee once more for each literal argument
    most: Any = np.int64(MONEY)
    for tx in range(first_tx, last_tx):
        first_in, first_out = tx_first_input[tx], tx_first_output[tx]
        ins, outs = tx_first_input[tx + 1] - first_in, tx_first_output[tx + 1] - first_out
        mixing[tx] = 0
        if ins < LEAST or outs < LEAST:  # no rule knows a smaller one
            continue
        if ins > scratch.shape[1] or outs > scratch.shape[1]:
            scratch = np.empty((4, 2 * max(ins, outs)), np.int64)
        rising = 0
        for at in range(outs):
            scratch[2, at] = output_value[first_out + at]
            scratch[3, at] = output_address[first_out + at]
            rising += at > 0 and scratch[2, at] > scratch[2, at - 1]
        sort_pairs(scratch[2, :outs], scratch[3, :outs])
        _, times = commonest(scratch[2, :outs], none, most)
        # The inputs lie scattered: look at them only if it matters.
        if times < LEAST and ins < WABISABI_INPUTS_LATER:
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
            rising == 0,
            block_time[np.searchsorted(block_first_tx, tx, side="right") - 1],
            coordinators,
            denominations,
        )
