"""Drill 1: a merchant's API token is stolen. It reads, and it asks; it cannot sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drills.asking import ends, hand_in
from drills.model import Drill
from strongroom_client.signing import signed_from_json

if TYPE_CHECKING:
    from drills.world import World

LOOT = 10_000_000


async def attack(world: World) -> None:
    """Ask for a payout under a key of the thief's, ask again for what was paid before, and cancel what waits."""
    victim, address = world.victim, await world.thief.address()
    forged = world.sign(victim, LOOT, address, world.thief.key)
    payout = await hand_in(world, victim, forged, "a payout under the thief's key")
    for row in await victim.api(lambda api: list(api.all("payouts"))):
        world.thief.note(f"what {row['id']} shows of its signature", "nothing" if "signature" not in row else "ALL")
        if {"intent", "public_key", "signature"} <= set(row):
            await hand_in(world, victim, signed_from_json(row), "a payout that the list gave away")
    await ends(world, victim, payout)


DRILL = Drill(
    number=1,
    name="A merchant's API token stolen",
    owned="the merchant's token",
    tried="a payout under its own key; what the lists give away",
    attack=attack,
    rules=("intent-unsigned",),
    mutants=("intent-unsigned",),
)
