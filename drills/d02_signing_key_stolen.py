"""Drill 2: a merchant's signing key and token are stolen. This is the merchant's own money, up to its caps."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from drills.asking import ends, hand_in
from drills.model import Drill, Moment
from strongroom.demo.configuration import ASSET
from strongroom.demo.money_in import CAPS

if TYPE_CHECKING:
    from drills.world import World

PAYOUTS = 6


async def attack(world: World) -> None:
    """Sign as many payouts of the largest size as the balance could bear."""
    size = CAPS[ASSET.id][0]
    made = []
    for number in range(PAYOUTS):
        if await world.available(world.victim) < size + 10_000:
            break
        signed = world.sign(world.victim, size, await world.thief.address())
        made.append(await hand_in(world, world.victim, signed, f"payout {number + 1} of {size}"))
    await ends(world, world.victim, *made)


def bound(moment: Moment) -> int:
    """Give min(balance, cap * (windows until somebody noticed + 1))."""
    window = moment.world.policy.limits[ASSET.id].window_seconds
    windows = ceil(moment.detected_seconds / window) + 1
    return min(moment.before.claims[ASSET.id], CAPS[ASSET.id][1] * windows)


DRILL = Drill(
    number=2,
    name="A merchant's signing key stolen",
    owned="the merchant's key and token",
    tried="the largest payouts, until a cap says no",
    attack=attack,
    rules=("velocity-merchant", "destination-unlisted", "limit-payout"),
    mutants=(),
    formula="min(balance, cap a window * (⌈time to detection / window⌉ + 1))",
    bound=bound,
    lasting=2,
)
