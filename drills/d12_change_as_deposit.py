"""Drill 12: the platform plans our own outputs so that they look like deposits of the thief's merchant, or get lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drills.model import Drill, gained_or_deposited
from drills.thief import to

if TYPE_CHECKING:
    from drills.world import World

LOOT = 10_000_000


async def attack(world: World) -> None:
    """Send change and sweeps where only deposits may arrive; withdraw what passes for one."""
    branch = world.mallory.branch
    thief = world.thief
    places = {
        "change to the thief's merchant, hot": thief.change(LOOT, branch, "hot", 0),
        "a sweep to the thief's merchant, cold": thief.change(LOOT, branch, "cold", 0),
        "change to the house's branch": thief.change(LOOT, 1, "hot", 0),
        "change out of reach": thief.change(LOOT, 0, "hot", 1_000_000),
        "change as dust": thief.change(300, 0, "hot", 0),
    }
    for what, pay in places.items():
        if await thief.pay_intents(what, (), (pay,)) and pay.place is not None and pay.place.branch == branch:
            await world.settle()
            address = await thief.address()
            intent = world.sign(world.mallory, LOOT, address)
            await thief.pay_intents("what passed for a deposit, withdrawn", (intent,), (to(address, LOOT),))


DRILL = Drill(
    number=12,
    name="Change and sweeps as deposits",
    owned="the platform, and a merchant",
    tried="change and sweeps to merchant, house, far and dust outputs",
    attack=attack,
    rules=("change-branch", "change-index", "output-dust"),
    mutants=("change-branch",),
    measure=gained_or_deposited,
    believes_books=False,
)
