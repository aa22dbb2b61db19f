"""Drill 7, the attack of July 2023: everything but the signers is owned, and the thief is a merchant too.

It asks both signers at their own doors, with the platform's own knowledge of coins, for payments that look as the
platform's do: with no evidence, with forged evidence, with old evidence, and by way of change that would be a deposit.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from drills.model import Drill
from drills.thief import to
from strongroom_client.signing import signed_from_json

if TYPE_CHECKING:
    from drills.world import World


async def attack(world: World) -> None:
    """Try everything that needs no signer's key; the promise is that nothing comes of it."""
    thief = world.thief
    await thief.drain("all hot coins, no evidence", await world.hot_coins())
    await _forged(world)
    await _replayed(world)
    await _deposit_by_change(world)
    if world.judges("balance-merchant"):
        await _beyond_its_balance(world)


async def _forged(world: World) -> None:
    address = await world.thief.address()
    own = world.sign(world.victim, 10_000_000, address, world.thief.key)
    await world.thief.pay_intents("victim's intent under the thief's key", (own,), (to(address, 10_000_000),))
    bent = replace(own, public_key=world.victim.key.public_key)
    await world.thief.pay_intents("victim's key, the thief's signature", (bent,), (to(address, 10_000_000),))


async def _replayed(world: World) -> None:
    """The victim's first payout once more, from other coins, to its destination and to the thief."""
    text = (world.scene.merchant_folder / "payout-1.json").read_text(encoding="utf-8")
    old = signed_from_json(json.loads(text))
    supplier = world.scene.fact("destination")
    await world.thief.pay_intents("an old intent, paid again", (old,), (to(supplier, 150_000),))
    address = await world.thief.address()
    await world.thief.pay_intents("an old intent, paid to the thief", (old,), (to(address, 150_000),))


async def _deposit_by_change(world: World) -> None:
    """Change on the branch of the thief's merchant would be a deposit, and could be withdrawn honestly."""
    branch = world.mallory.branch
    pays = (world.thief.change(10_000_000, branch, "hot", 100), world.thief.change(5_000_000, branch, "cold", 100))
    await world.thief.pay_intents("change to the thief's branch", (), pays)


async def _beyond_its_balance(world: World) -> None:
    """Mallory's own key signs for more than Mallory ever paid in; the platform's books would say that it is there."""
    address = await world.thief.address()
    intent = world.sign(world.mallory, 10_000_000, address)
    await world.thief.pay_intents("more than its own balance", (intent,), (to(address, 10_000_000),))


DRILL = Drill(
    number=7,
    name="The attack of July 2023",
    owned="everything but the signers, and a merchant",
    tried="all hot coins; forged and old intents; change as a deposit",
    attack=attack,
    rules=("output-unmatched", "intent-unsigned", "intent-bound", "change-branch", "balance-merchant"),
    mutants=("output-unmatched",),
    believes_books=False,
)
