"""Drill 18: the kill switch is pulled a hundred times. That stops payments; it must not make one possible."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from drills import measure
from drills.model import Drill
from drills.thief import folder_of, refusal, to
from strongroom.demo.environment import SIGNERS
from strongroom.outbound.signers import SignerClient
from strongroom_core.ids import RequestId
from strongroom_core.messages import HaltRequest, Signed, VoidRequest
from strongroom_signer import halting
from strongroom_signer.host import Folder

if TYPE_CHECKING:
    from drills.world import World

TIMES = 100
FEW = 3
SMALL = 50_000


async def attack(world: World) -> None:
    """Halt, try, be resumed by hand, try; and once between the two signatures of one payment."""
    times = FEW if world.conventional else min(TIMES, max(FEW, world.intents // 100))
    coins = await world.hot_coins()
    for number in range(times):
        await asyncio.gather(*(_halt(signer) for signer in world.signers))
        if number % 25 == 0:
            await world.thief.drain("all hot coins while halted", coins)
        await asyncio.gather(*(_resume(world, name) for name in SIGNERS))
    world.thief.note("halted and resumed", f"{times} times")
    await world.thief.drain("all hot coins after the last resume", await world.hot_coins())
    await _between_two_signatures(world)


async def _between_two_signatures(world: World) -> None:
    """A signs, B is halted and promises never to sign, the money is free again; then B is to sign after all."""
    first, second = world.signers
    address = await world.thief.address()
    intent = world.sign(world.mallory, SMALL, address)
    coins = await measure.with_previous(world, (await world.hot_coins())[:1])
    if not coins:
        return
    psbt = world.thief.draft(coins, (to(address, SMALL), world.thief.change(coins[0].amount - SMALL - 1_500)))
    await _halt(second)
    one = await world.thief.ask(first, psbt, (intent,))
    await second.ask(VoidRequest(RequestId.new(), intent))
    await _resume(world, "b")
    two = await world.thief.ask(second, psbt, (intent,))
    world.thief.note("one signed, the other had promised not to", f"{refusal(one)} {refusal(two)}".strip() or "signed")
    signed = [answer.psbt for answer in (one, two) if isinstance(answer, Signed)]
    if len(signed) == len(world.signers):
        await world.thief.broadcast(psbt, signed)


async def _halt(signer: SignerClient) -> None:
    await signer.ask(HaltRequest(RequestId.new(), "the thief says so"))


async def _resume(world: World, name: str) -> None:
    """By hand, on the signer's own host, with its passphrase."""
    passphrase = world.scene.environment.passphrase_file(name).read_bytes().strip()
    await asyncio.to_thread(halting.resume, Folder(folder_of(world, name)), passphrase)


DRILL = Drill(
    number=18,
    name="The kill switch abused",
    owned="the platform",
    tried="halts, attempts between them, a halt between two signatures",
    attack=attack,
    rules=("halted", "intent-void", "output-unmatched"),
    mutants=("output-unmatched",),
    believes_books=False,
)
