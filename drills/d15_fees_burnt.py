"""Drill 15: the platform burns hot in fees, which a miner who is the thief gets, and lies about what inputs hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from drills import measure
from drills.model import Drill, Moment, vanished
from drills.psbt import Coin, Pay
from strongroom.demo.configuration import CHAIN

if TYPE_CHECKING:
    from drills.world import World

# Enough outputs to make a chain tx so long that the fee rate allows the largest fee there is.
OUTPUTS = 45
OUTPUT = 1_000
ROUNDS = 8


async def attack(world: World) -> None:
    """Consolidate, at the highest fee that is signed, until no more is."""
    await _false_amount(world)
    await _all_as_fee(world)
    fee = world.policy.chains[CHAIN.id].max_fee
    for number in range(ROUNDS):
        coins = await measure.with_previous(world, (await world.hot_coins())[:1])
        rest = coins[0].amount - fee - OUTPUT * (OUTPUTS - 1)
        pays = (*(world.thief.change(OUTPUT, index=at) for at in range(1, OUTPUTS)), world.thief.change(rest))
        if not await world.thief.demand(f"a fee of {fee}, number {number + 1}", coins, pays):
            break
        await world.settle()


async def _false_amount(world: World) -> None:
    """The previous chain tx says twice what the coin holds: half of the real amount would be a fee."""
    coins = await measure.with_previous(world, (await world.hot_coins())[:1])
    lie = _doubled(coins[0])
    pays: tuple[Pay, ...] = (world.thief.change(lie.amount - 5_000),)
    await world.thief.demand("a coin said to hold twice as much", (lie,), pays)


def _doubled(coin: Coin) -> Coin:
    amount = coin.amount.to_bytes(8, "little")
    return replace(
        coin, amount=2 * coin.amount, previous=coin.previous.replace(amount, (2 * coin.amount).to_bytes(8, "little"))
    )


async def _all_as_fee(world: World) -> None:
    coins = await measure.with_previous(world, (await world.hot_coins())[:1])
    await world.thief.demand("nearly all of a coin as fee", coins, (world.thief.change(OUTPUT),))


def bound(moment: Moment) -> int:
    """Give the signers' fee budget of a day."""
    return moment.world.policy.chains[CHAIN.id].daily_fee_budget


DRILL = Drill(
    number=15,
    name="Fees burnt, amounts falsified",
    owned="the platform, and a miner",
    tried="false amounts; a coin as fee; the highest fee, again and again",
    attack=attack,
    rules=("fee-rate", "fee-absolute", "fee-daily", "previous-tx-mismatch"),
    mutants=("fee-rate",),
    formula="the signers' fee budget of a day",
    bound=bound,
    measure=vanished,
    believes_books=False,
    lasting=3,
)
