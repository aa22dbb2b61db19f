"""Drill 11: a signer's clock is moved by a day and by a year, back and forth."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Final

from drills.model import Drill
from drills.thief import to
from strongroom.demo.configuration import ASSET, PAYOUT_FEE
from strongroom_client.signing import make_intent, sign_intent
from strongroom_core.amounts import Amount
from strongroom_core.intents import SignedIntent

if TYPE_CHECKING:
    from drills.world import World

LOOT: Final = 5_000_000
DAY: Final = 86_400
MOVES: Final = {"a day back": -DAY, "a year back": -365 * DAY, "a day ahead": DAY, "a year ahead": 365 * DAY}
_MOVED: Final = """\
import sys, time
real, by = time.time, int(sys.argv.pop(1))
time.time = lambda: real() + by
from strongroom_signer.cli import main
sys.exit(main())
"""


async def attack(world: World) -> None:
    """Have an intent signed that the victim let expire, while the clock of one signer says what the thief likes."""
    address = await world.thief.address()
    expired = _expired(world, address)
    await asyncio.sleep(2.0)
    moves = dict(list(MOVES.items())[:1]) if world.conventional else MOVES
    for what, seconds in moves.items():
        await _restart(world, seconds)
        await world.thief.pay_intents(f"an expired intent, the clock {what}", (expired,), (to(address, LOOT),))
        await _restart(world, 0)
    await world.thief.pay_intents("an expired intent, the clock right again", (expired,), (to(address, LOOT),))


def _expired(world: World, address: str) -> SignedIntent:
    """The victim signed this for somebody, for two seconds, and it was never sent."""
    intent = make_intent(
        deployment=world.scene.settings.deployment,
        merchant=world.victim.id,
        amount=Amount(ASSET, LOOT),
        destination=address,
        fee_ceiling=Amount(ASSET, PAYOUT_FEE),
        expires_at=int(time.time()) + 1,
    )
    return sign_intent(intent, world.victim.key)


async def _restart(world: World, seconds: int) -> None:
    """Start signer A with its clock moved, or as it is."""
    program = ("-c", _MOVED, str(seconds)) if seconds else ("-m", "strongroom_signer.cli")
    await world.restart("signer-a", lambda argv: (sys.executable, *program, *argv[argv.index("run") :]))


DRILL = Drill(
    number=11,
    name="A signer's clock moved",
    owned="the platform, an expired intent, a signer's clock",
    tried="an expired intent, a day and a year ahead and back",
    attack=attack,
    rules=("clock", "intent-expired"),
    mutants=("intent-expired",),
    believes_books=False,
    lasting=7,
)
