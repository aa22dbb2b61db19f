"""Drill 8: one signer is owned. Its key signs whatever the thief likes; the other signer has to say yes too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drills import measure
from drills.model import Drill
from drills.thief import FEE_BASE, FEE_PER_INPUT, refusal, to
from strongroom_core.messages import Signed

if TYPE_CHECKING:
    from drills.world import World


async def attack(world: World) -> None:
    """Sign all hot coins away with A's key, and ask B for the second signature; then the other way round."""
    for name, number in (("a", 1), ("b", 0)):
        key, other = world.thief.steal_key(name), world.signers[number]
        coins = await measure.with_previous(world, await world.hot_coins())
        if not coins:
            return
        total = sum(coin.amount for coin in coins) - FEE_BASE - FEE_PER_INPUT * len(coins)
        psbt = world.thief.draft(coins, (to(await world.thief.address(), total),))
        own = world.thief.sign_with(key, psbt)
        answer = await world.thief.ask(other, psbt, ())
        world.thief.note(f"signed with {name}'s key, asked {other.name}", refusal(answer) or "signed")
        again = await world.thief.ask(other, own, ())
        world.thief.note(f"the same with {name}'s signature in it", refusal(again) or "signed")
        signed = [item.psbt for item in (answer, again) if isinstance(item, Signed)][:1]
        await world.thief.broadcast(psbt, [own, *signed])


DRILL = Drill(
    number=8,
    name="One signer owned",
    owned="the platform, and one signer's host and key",
    tried="all hot coins, one signature from the stolen key",
    attack=attack,
    rules=("output-unmatched",),
    mutants=("output-unmatched",),
    believes_books=False,
)
