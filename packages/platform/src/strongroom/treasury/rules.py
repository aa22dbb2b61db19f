"""Pure decisions of the treasury: which coins, how much change, what fee, what is above the band. Integers only.

The waste of a choice (as Bitcoin Core measures it since 0.21) compares spending a coin now with spending it later at a
long-term rate, plus what change costs, or what is given to the miner for want of change. Of the candidates that
cover the payments the one with the least waste wins; equal ones are told apart by fewer coins, then by their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from strongroom.outbound.model import (
    INPUT_WEIGHT,
    P2WSH_SCRIPT_BYTES,
    SpentCoin,
    output_weight,
    tx_weight,
)
from strongroom.treasury.model import Band, Choice, Queued

# sat/vB at which a coin that is not spent now will be spent some day (Bitcoin Core's -consolidatefeerate default).
LONG_TERM_RATE: Final = 10
# Far below what nodes relay (400,000 weight units), and a signer's answer stays within seconds.
INPUTS_MAX: Final = 200
# Bounds the exact search; beyond it a choice with change is nearly as good.
SEARCH_STEPS: Final = 20_000
# Sweeping is worth it where the miner gets at most a hundredth.
SWEEP_FEE_SHARE: Final = 100
CONSOLIDATE_COINS: Final = 20
# sat/vB at which merging coins costs a fifth of what it saves at the long-term rate.
CHEAP_RATE: Final = 2
CONSOLIDATE_INPUTS: Final = 50
CHANGE_SCRIPT: Final = bytes(P2WSH_SCRIPT_BYTES)


def fee_for(inputs: int, scripts: Sequence[bytes], rate: int) -> int:
    """Give the fee of a chain tx at ``rate`` sat/vB, size rounded up."""
    return -(-tx_weight(inputs, list(scripts)) // 4) * rate


def clamp_rate(estimate: int | None, *, fallback: int, floor: int, ceiling: int) -> int:
    """Give the rate to pay: the node's estimate or the fallback, between floor and ceiling (sat/vB)."""
    return max(floor, min(ceiling, fallback if estimate is None else estimate))


def change_floor(dust: int, rate: int) -> int:
    """Give the least change worth making: not dust, and worth more than it costs to spend one day."""
    return max(dust, _input_cost(LONG_TERM_RATE), _input_cost(min(rate, LONG_TERM_RATE))) + 1


def select_coins(
    coins: Sequence[SpentCoin], scripts: Sequence[bytes], total: int, rate: int, dust: int
) -> Choice | None:
    """Choose coins for outputs ``scripts`` worth ``total``; None where they cannot be covered together with the fee."""
    useful = sorted((coin for coin in coins if coin.amount > _input_cost(rate)), key=largest_first)
    choices = [
        choice
        for picked in _candidates(useful, scripts, total, rate)
        if (choice := _complete(picked, scripts, total, rate, dust)) is not None
    ]
    return min(choices, key=lambda choice: _order(choice, scripts, total, rate), default=None)


def waste(choice: Choice, scripts: Sequence[bytes], total: int, rate: int) -> int:
    """Give what a choice costs beyond paying the same at the long-term rate, in base units; may be below zero."""
    timing = len(choice.coins) * (_input_cost(rate) - _input_cost(LONG_TERM_RATE))
    if choice.change:
        return timing + _change_cost(rate)
    spent = sum(coin.amount for coin in choice.coins)
    return timing + spent - total - fee_for(len(choice.coins), scripts, rate)


def choose_batch(
    queue: Sequence[Queued], coins: Sequence[SpentCoin], rate: int, dust: int, limit: int
) -> tuple[list[Queued], Choice] | None:
    """Take payables oldest first, as many as the coins cover; one that is too large lets smaller ones behind it pass.

    A ``solo`` payable goes alone. None where nothing can be paid now.
    """
    batch: list[Queued] = []
    worth = sum(sorted((coin.amount - _input_cost(rate) for coin in coins), reverse=True)[:INPUTS_MAX])
    for item in queue:
        if may_join(batch, item, limit) and _needed([*batch, item], rate) <= worth:
            batch.append(item)
    while batch:
        choice = select_coins(coins, [item.payment.script for item in batch], _total(batch), rate, dust)
        if choice is not None:
            return batch, choice
        batch.pop()
    return None


def may_join(batch: Sequence[Queued], item: Queued, limit: int) -> bool:
    """Whether a payable may share a chain tx with a batch: a ``solo`` one rides alone, and no two have one payout id.

    Merchants make the ids, each for itself, and a signer's refusal names a payout by its id alone: in one chain tx two
    of one id could not be told apart, and the refusal of one merchant's would take the other's back. Asked of each as
    it is chosen: one that cannot be paid now (hot is short of it) must not hold back another merchant's of its id.
    """
    if len(batch) == limit or (batch and (item.solo or batch[0].solo)):
        return False
    return all(item.payment.payout_id != chosen.payment.payout_id for chosen in batch)


def band_in_force(wanted: Band, capital: int, in_flight: int) -> Band:
    """Cut the band to the house's own capital: hot balance and what is in flight never exceed it."""
    high = max(0, min(wanted.high, capital - in_flight))
    return Band(min(wanted.target, high), high)


def select_sweep(coins: Sequence[SpentCoin], excess: int, rate: int, dust: int) -> tuple[Choice, int] | None:
    """Choose coins to bring ``excess`` from hot to cold, and the amount that arrives; None where it is not worth it.

    Whole coins, the largest that fit; where none fits, the smallest that is too large, with change.
    """
    picked = _fitting(coins, excess)
    if picked:
        return _sweep_whole(picked, rate, dust)
    over = _larger(coins, excess)
    if not over:
        return None
    fee = fee_for(1, [CHANGE_SCRIPT] * 2, rate)
    change = over[0].amount - excess
    if change < change_floor(dust, rate):
        fee = fee_for(1, [CHANGE_SCRIPT], rate)
        return _worth(Choice((over[0],), 0, fee), over[0].amount - fee, dust)
    return _worth(Choice((over[0],), change, fee), excess - fee, dust)


def choose_sweep(
    settled: Sequence[SpentCoin],
    landed: Sequence[SpentCoin],
    *,
    held: int,
    band: Band,
    wanted: int,
    rate: int,
    dust: int,
) -> tuple[Choice, int] | None:
    """Choose what brings hot from ``held`` towards ``wanted``, and the amount that arrives; None within the band.

    What landed lately goes first, in whole coins, so that no change of ours stands on what a reorg may take. A coin
    that holds more than the excess goes whole only where settled coins do not suffice: hot is then as it was before.
    Settled and landed coins never share a chain tx: one that vanishes must not tie the others down.
    """
    if held <= band.high:
        return None
    young = [coin for coin in landed if coin.amount > _input_cost(rate)]
    options = (
        _sweep_whole(_fitting(young, held - wanted), rate, dust),
        select_sweep(settled, held - wanted, rate, dust),
        _sweep_whole(_larger(young, held - wanted), rate, dust),
    )
    found = [option for option in options if option is not None]
    enough = [option for option in found if held - option[1] - option[0].fee <= band.high]
    return next(iter((*enough, *found)), None)


def _fitting(coins: Sequence[SpentCoin], excess: int) -> list[SpentCoin]:
    picked: list[SpentCoin] = []
    for coin in sorted(coins, key=largest_first):
        if len(picked) < INPUTS_MAX and sum(item.amount for item in picked) + coin.amount <= excess:
            picked.append(coin)
    return picked


def _larger(coins: Sequence[SpentCoin], excess: int) -> list[SpentCoin]:
    return sorted((coin for coin in coins if coin.amount > excess), key=lambda coin: (coin.amount, coin))[:1]


def _sweep_whole(coins: Sequence[SpentCoin], rate: int, dust: int) -> tuple[Choice, int] | None:
    fee = fee_for(len(coins), [CHANGE_SCRIPT], rate)
    total = sum(coin.amount for coin in coins)
    return _worth(Choice(tuple(sorted(coins)), 0, fee), total - fee, dust) if coins else None


def select_consolidation(coins: Sequence[SpentCoin], rate: int, dust: int) -> Choice | None:
    """Choose the smallest coins to merge into one while blocks are nearly free; None while it is not worth it."""
    if rate > CHEAP_RATE or len(coins) < CONSOLIDATE_COINS:
        return None
    picked = tuple(sorted(coins, key=lambda coin: (coin.amount, coin))[:CONSOLIDATE_INPUTS])
    fee = fee_for(len(picked), [CHANGE_SCRIPT], rate)
    change = sum(coin.amount for coin in picked) - fee
    return Choice(picked, change, fee) if change >= change_floor(dust, rate) else None


def _candidates(
    coins: Sequence[SpentCoin], scripts: Sequence[bytes], total: int, rate: int
) -> Iterator[tuple[SpentCoin, ...]]:
    """Give sets that may cover the payments: an exact one, the fewest coins, the oldest small ones, a single one."""
    need = total + fee_for(0, scripts, rate)
    exact = _search_exact(coins, need, rate)
    if exact is not None:
        yield exact
    for with_change in (0, output_weight(P2WSH_SCRIPT_BYTES) * rate + _input_cost(LONG_TERM_RATE)):
        yield from _covering(coins, need + with_change, rate)


def _covering(coins: Sequence[SpentCoin], need: int, rate: int) -> Iterator[tuple[SpentCoin, ...]]:
    single = [coin for coin in coins if coin.amount - _input_cost(rate) >= need]
    if single:
        yield (single[-1],)
    for order in (coins, list(reversed(coins))):
        picked: list[SpentCoin] = []
        covered = 0
        for coin in order[:INPUTS_MAX]:
            picked.append(coin)
            covered += coin.amount - _input_cost(rate)
            if covered >= need:
                yield tuple(picked)
                break


def _search_exact(coins: Sequence[SpentCoin], need: int, rate: int) -> tuple[SpentCoin, ...] | None:
    """Branch and bound (Erhardt 2016): the coins whose value after their own cost hits ``need`` closely from above."""
    # The exact cost of a coin, not the one rounded up: `_complete` judges what is found to the base unit.
    values = [coin.amount - INPUT_WEIGHT * rate // 4 for coin in coins]
    left = [0] * (len(values) + 1)
    for at in range(len(values) - 1, -1, -1):
        left[at] = left[at + 1] + values[at]
    best: tuple[int, tuple[int, ...]] | None = None
    stack: list[tuple[int, int, tuple[int, ...]]] = [(0, 0, ())]
    steps = 0
    while stack and steps < SEARCH_STEPS:
        steps += 1
        at, value, chosen = stack.pop()
        if need <= value <= need + _change_cost(rate):
            best = min(best or (value, chosen), (value, chosen))
        elif value < need and at < len(values) and value + left[at] >= need and len(chosen) < INPUTS_MAX:
            stack.append((at + 1, value, chosen))
            stack.append((at + 1, value + values[at], (*chosen, at)))
    return tuple(coins[at] for at in best[1]) if best else None


def _complete(
    picked: tuple[SpentCoin, ...], scripts: Sequence[bytes], total: int, rate: int, dust: int
) -> Choice | None:
    """Add change where it is worth making, and the exact fee; None where the coins do not suffice."""
    spare = sum(coin.amount for coin in picked) - total
    coins = tuple(sorted(picked))
    change = spare - fee_for(len(picked), [*scripts, CHANGE_SCRIPT], rate)
    if change >= change_floor(dust, rate):
        return Choice(coins, change, spare - change)
    return Choice(coins, 0, spare) if spare >= fee_for(len(picked), scripts, rate) else None


def _order(choice: Choice, scripts: Sequence[bytes], total: int, rate: int) -> tuple[int, int, tuple[SpentCoin, ...]]:
    return (waste(choice, scripts, total, rate), len(choice.coins), choice.coins)


def _worth(choice: Choice, arrives: int, dust: int) -> tuple[Choice, int] | None:
    return (choice, arrives) if arrives > dust and choice.fee * SWEEP_FEE_SHARE <= arrives else None


def _total(batch: Sequence[Queued]) -> int:
    return sum(item.payment.amount for item in batch)


def _needed(batch: Sequence[Queued], rate: int) -> int:
    return _total(batch) + fee_for(0, [item.payment.script for item in batch], rate)


def _input_cost(rate: int) -> int:
    # Rounded up for each coin, so that the sum over coins is never below the fee of the whole.
    return -(-INPUT_WEIGHT // 4) * rate


def _change_cost(rate: int) -> int:
    return -(-output_weight(P2WSH_SCRIPT_BYTES) * rate // 4) + _input_cost(LONG_TERM_RATE)


def largest_first(coin: SpentCoin) -> tuple[int, SpentCoin]:
    """Sort by amount, the largest first, then by name."""
    return (-coin.amount, coin)


def covered(queue: Sequence[Queued], cover: Mapping[str, int]) -> list[Queued]:
    """Give the payouts of one asset that fit what each merchant's signers would pay, oldest first, fees with them.

    One that does not fit lets smaller ones of its merchant pass; another merchant's it never touches.
    """
    left, good = dict(cover), list[Queued]()
    for item in queue:
        cost = item.payment.amount + item.payment.fee
        if cost <= left.get(item.payment.merchant_id, 0):
            left[item.payment.merchant_id] -= cost
            good.append(item)
    return good
