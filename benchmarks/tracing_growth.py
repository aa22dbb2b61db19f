"""How a made-up chain grows, chain tx by chain tx; compiled. What it is to look like stands in `tracing_chain`."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from strongroom_tracing.columns import COINBASE, UNSPENT
from strongroom_tracing.compiled import compiled

MATURITY: Final = 100  # blocks that a coinbase rests
SUBSIDY: Final = 50 * 10**8
HALVING: Final = 210_000  # blocks
FEE: Final = 500  # of each who joins a CoinJoin
DUST: Final = 600
WORTH: Final = 300_000  # a coin of less is not worth a CoinJoin
JOIN_ONE_IN: Final = 1_000
JOINERS: Final = 5  # at least so many, and up to twice as many
POOLS: Final = 20  # owners who mine
TRIES: Final = 32
NOBODY: Final = -1
RESTING: Final = -2  # in `below`: a coinbase that nobody can spend yet

Numbers = npt.NDArray[np.int64]
VIN, VOUT, ADDRESSES, OWNERS, JOINS, FEES = range(6)  # in `Work.count`: how many so far; fees of the block


class Work(NamedTuple):
    """What is filled in. Each owner's coins are a stack: `top` by owner, `below` by output."""

    txid: Any
    first_input: Any
    first_output: Any
    spent: Any
    value: Any
    address: Any
    spending: Any
    below: Any
    owner: Any  # by address
    top: Any
    joins: Any
    pool_address: Any
    ages: Any
    tail: Any
    state: Any  # of chance
    count: Any


@compiled
def _next(state: npt.NDArray[np.uint64]) -> Any:
    """SplitMix64 (Steele, Lea, Flood 2014); 63 bits of it."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((z ^ (z >> np.uint64(31))) >> np.uint64(1))


@compiled
def _draw(state: npt.NDArray[np.uint64], octaves: Numbers, most: int) -> Any:
    """Draw from 1..2^most - 1: an octave by its weight, all numbers of an octave alike."""
    chance = _next(state) % octaves[most - 1]
    octave = 0
    while chance >= octaves[octave]:
        octave += 1
    low = np.int64(1) << octave
    return low + (_next(state) & (low - 1))


@compiled
def _coin(work: Work, holder: int) -> Any:
    """Give the topmost unspent coin of an owner, or nobody; what lies above it is forgotten."""
    coin = np.int64(work.top[holder])
    while coin >= 0 and work.spending[coin] != UNSPENT:
        coin = np.int64(work.below[coin])
    work.top[holder] = coin
    return coin


@compiled
def _someone(work: Work) -> Any:
    """Choose a coin to spend: one that was received some time ago, or another one of who received it."""
    outputs = work.count[VOUT]
    most = 1
    while most < len(work.ages) and (np.int64(1) << (most + 1)) <= outputs:
        most += 1
    for _ in range(TRIES):
        output = outputs - _draw(work.state, work.ages, most)
        if output < 0 or work.below[output] == RESTING:
            continue
        if work.spending[output] == UNSPENT:
            return output
        coin = _coin(work, work.owner[work.address[output]])
        if coin >= 0:
            return coin
    output = outputs - 1
    while work.spending[output] != UNSPENT or work.below[output] == RESTING:
        output -= 1
    return output


@compiled
def _spend(work: Work, coin: int, tx: int) -> None:
    work.spent[work.count[VIN]] = coin
    work.spending[coin] = tx
    work.count[VIN] += 1


@compiled
def _pay(work: Work, to: int, amount: int) -> None:
    output = work.count[VOUT]
    work.address[output], work.value[output], work.spending[output] = to, amount, UNSPENT
    work.below[output] = work.top[work.owner[to]]
    work.top[work.owner[to]] = output
    work.count[VOUT] += 1


@compiled
def _new_address(work: Work, holder: int) -> Any:
    address = work.count[ADDRESSES]
    work.owner[address] = holder
    work.count[ADDRESSES] += 1
    work.count[OWNERS] = max(work.count[OWNERS], holder + 1)
    return address


@compiled
def _coinbase(work: Work, first_tx_of_ripe: int) -> None:
    """Make new money for a pool, which nobody can spend yet, and let the one that is old enough be spent."""
    pool = _next(work.state) % POOLS
    if work.pool_address[pool] < 0:
        work.pool_address[pool] = _new_address(work, pool)
    output = work.count[VOUT]
    work.spent[work.count[VIN]] = COINBASE
    work.address[output], work.value[output] = work.pool_address[pool], 0
    work.spending[output], work.below[output] = UNSPENT, RESTING
    work.count[VIN] += 1
    work.count[VOUT] += 1
    if first_tx_of_ripe >= 0:
        ripe = work.first_output[first_tx_of_ripe]
        holder = work.owner[work.address[ripe]]
        work.below[ripe] = work.top[holder]
        work.top[holder] = ripe


@compiled
def _gather(work: Work, first: int) -> int:
    """Put strangers' coins of some worth down as inputs, not yet spent; how many, 0 if too few are found."""
    begin = work.count[VIN]
    wanted = JOINERS + _next(work.state) % (JOINERS + 1)
    work.spent[begin] = first
    found = 1
    for _ in range(TRIES):
        other = _someone(work)
        if found == wanted:
            break
        fits = work.value[other] > WORTH
        for at in range(begin, begin + found):
            fits = fits and work.owner[work.address[work.spent[at]]] != work.owner[work.address[other]]
        if fits:
            work.spent[begin + found] = other
            found += 1
    return found if found >= JOINERS else 0


@compiled
def _join(work: Work, tx: int, people: int) -> None:
    """Make a CoinJoin of the coins put down: equal outputs, and change of each."""
    begin = work.count[VIN]
    smallest = work.value[work.spent[begin]]
    for at in range(begin, begin + people):
        smallest = min(smallest, work.value[work.spent[at]])
    even = smallest - smallest // 4 - smallest % 1000
    for at in range(begin, begin + people):
        coin = work.spent[at]
        _spend(work, coin, tx)
        holder = work.owner[work.address[coin]]
        _pay(work, _new_address(work, holder), even)
        change = work.value[coin] - even - FEE
        if change >= DUST:
            _pay(work, _new_address(work, holder), change)
        work.count[FEES] += FEE if change >= DUST else FEE + change
    work.joins[work.count[JOINS]] = tx
    work.count[JOINS] += 1


@compiled
def _payment(work: Work, tx: int, first: int) -> None:
    """Make an ordinary chain tx: one owner's coins, others are paid, the last of several outputs is change."""
    state, begin = work.state, work.count[VIN]
    holder = work.owner[work.address[first]]
    inputs = 1 if _next(state) % 100 < 50 else 1 + _draw(state, work.tail, len(work.tail))
    left, coin = 0, first
    while coin >= 0 and work.count[VIN] - begin < inputs:
        _spend(work, coin, tx)
        left += work.value[coin]
        coin = _coin(work, holder)
    chance = _next(state) % 100
    wish = 1 if chance < 8 else 2 if chance < 84 else 2 + _draw(state, work.tail, len(work.tail))
    outputs = max(min(wish, left // DUST), 1)
    fee = min(left // 16, 100 * (work.count[VIN] - begin + outputs))
    work.count[FEES] += fee
    left -= fee
    for more in range(outputs - 1, -1, -1):
        chance = _next(state) & 0xFFFF
        known = work.address[_next(state) % work.count[VOUT]]
        if more == 0 and outputs > 1:
            to = work.address[first] if chance & 1 else _new_address(work, holder)
        elif chance % 16 < 10:
            to = known
        else:
            to = _new_address(work, work.owner[known] if (chance >> 4) % 10 < 6 else work.count[OWNERS])
        share = left
        if more > 0:  # of two outputs 7/8 to 2/8 of the money, of many around their part of it
            parts = 1 + (chance >> 8) % 3
            share = left - (left >> 3) >> parts - 1 if outputs == 2 else 2 * left // (more + 1) // parts
            share = max(min(share, left - DUST * more), 1)
        left -= share
        _pay(work, to, share)


@compiled
def grow(block_first_tx: Numbers, work: Work) -> None:
    """Fill a chain whose blocks begin with these chain txs."""
    for block in range(len(block_first_tx) - 1):
        reward = work.count[VOUT]
        work.count[FEES] = 0
        for tx in range(block_first_tx[block], block_first_tx[block + 1]):
            for word in range(4):
                work.txid[4 * tx + word] = np.uint64(_next(work.state))
            work.first_input[tx], work.first_output[tx] = work.count[VIN], work.count[VOUT]
            if tx == block_first_tx[block]:
                _coinbase(work, block_first_tx[block - MATURITY] if block >= MATURITY else NOBODY)
                continue
            first = _someone(work)
            people = 0
            if _next(work.state) % JOIN_ONE_IN == 0 and work.value[first] > WORTH:
                people = _gather(work, first)
            if people > 0:
                _join(work, tx, people)
            else:
                _payment(work, tx, first)
        work.value[reward] = (SUBSIDY >> (block // HALVING)) + work.count[FEES]
    txs = block_first_tx[len(block_first_tx) - 1]
    work.first_input[txs], work.first_output[txs] = work.count[VIN], work.count[VOUT]
