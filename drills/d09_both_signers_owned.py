"""Drill 9: both online signers are owned: their keys are copied out, our code is gone.

The thief gets the hot balance, which is the operator's own; cold alone covers the clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drills import measure
from drills.model import Drill, Moment
from drills.thief import FEE_BASE, FEE_PER_INPUT, to
from strongroom.demo.configuration import BAND_HIGH

if TYPE_CHECKING:
    from drills.world import World


async def attack(world: World) -> None:
    """Sign every hot coin away with both keys; try cold with them too."""
    keys = [world.thief.steal_key(name) for name in ("a", "b")]
    for key_set in ("hot", "cold"):
        found = [coin for coin in await measure.unspent(world) if coin.place.key_set == key_set]
        coins = await measure.with_previous(world, found)
        total = sum(coin.amount for coin in coins) - FEE_BASE - FEE_PER_INPUT * len(coins)
        psbt = world.thief.draft(coins, (to(await world.thief.address(), total),))
        done = await world.thief.broadcast(psbt, [world.thief.sign_with(key, psbt) for key in keys])
        world.thief.note(f"all {key_set} coins with both keys", "on the chain" if done else "no valid chain tx")


def bound(_moment: Moment) -> int:
    """Give the top of the hot band."""
    return BAND_HIGH


DRILL = Drill(
    number=9,
    name="Both online signers owned",
    owned="both signers' keys",
    tried="all hot coins, and all cold ones",
    attack=attack,
    rules=(),
    formula="the top of the hot band, which house capital covers",
    bound=bound,
    believes_books=False,
    lasting=6,
)
