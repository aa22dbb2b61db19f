"""A drill is played on the demonstration platform, and what its thief took is followed on the platform's own chains.

What is followed is what the drill measures (``drills.model``): coins or tokens that came to the thief, fees that a
miner got, gas that the house paid. Where the take lies on no chain, or is nothing, that is said. The chains are read
from outside, while the platform runs.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the drills stand beside the tools

import trace_drill_coins as coins
import trace_drill_devnet as devnet
from trace_drill_play import Played
from trace_follow import DemonstrationError

from drills import trial
from drills.catalogue import CONVENTIONAL, CONVENTIONAL_PLATFORM, DRILLS
from drills.d14_webhook_forged import shipped
from drills.d16_rates_poisoned import converted
from drills.model import Drill, gained, gained_or_deposited, gas_spent, vanished
from drills.world import World, prepare
from strongroom.demo import run as demonstration
from strongroom.demo.environment import Environment
from strongroom.demo.progress import Progress
from strongroom_core.amounts import Amount
from strongroom_core.assets import DEVNET
from strongroom_core.refusals import RefusalTag

OFF: Final = CONVENTIONAL | CONVENTIONAL_PLATFORM
Told = dict[str, Any]
Way = Callable[[Played, Progress], Awaitable[Told]]


def find(number: int) -> Drill:
    """Give a drill. Raises ``DemonstrationError``, which names those that there are."""
    found = next((drill for drill in DRILLS if drill.number == number), None)
    if found is None:
        numbers = ", ".join(str(number) for number in sorted(drill.number for drill in DRILLS))
        message = f"there is no drill {number}; there are {numbers}"
        raise DemonstrationError(message)
    return found


def run(drill: Drill, folder: Path, progress: Progress, *, strongroom: bool = False) -> Told:
    """Play a drill and follow what it took, in the conventional configuration, or with all rules on (``strongroom``).

    Raises ``DemonstrationError`` where the drill could not be played or its take is not what the chain shows.
    """
    return asyncio.run(_run(drill, folder, progress, strongroom=strongroom))


async def _run(drill: Drill, folder: Path, progress: Progress, *, strongroom: bool) -> Told:
    off = frozenset[str]() if strongroom else OFF
    environment = Environment.open(folder / "platform")
    environment.finish("drill", switched_off=sorted(off & {tag.value for tag in RefusalTag}))
    async with demonstration.running(folder / "platform", progress, {}) as scene:
        played = await _play(drill, await prepare(scene, off, conventional=not strongroom), folder, progress)
        told = await follow(played, progress)
        await played.world.settle()  # the platform's own watchers come along, so that everything stops in order
    shutil.rmtree(folder / "platform", ignore_errors=True)
    configuration = "strongroom" if strongroom else "conventional"
    take = {"take": str(played.take), "asset": drill.asset.id}
    return {"drill": drill.number, "configuration": configuration, **take, **told}


async def _play(drill: Drill, world: World, folder: Path, progress: Progress) -> Played:
    if drill.asset.chain_id == DEVNET.id:
        await devnet.make_ready(world, drill.asset)
    before = await asyncio.to_thread(coins.thief_coins, coins.rpc_of(world))
    with progress.step("drill", f"Drill {drill.number}: {drill.name}") as outcome:
        try:
            measured = await trial.measured(drill, world)
        except Exception as error:  # an attack may fail in any way; `make drill` tells that as its finding
            message = f"drill {drill.number} could not be played: {error!r}"
            raise DemonstrationError(message) from error
        outcome.detail = f"take {Amount(drill.asset, measured.finding.take)}"
    return Played(drill, world, folder, measured, tuple(before))


async def follow(played: Played, progress: Progress) -> Told:
    """Follow what was taken, by the way of what the drill measures; say so where there is nothing to follow."""
    if not played.take:
        words = (
            f"In drill {played.drill.number} ({played.drill.name}) the thief took nothing: there is nothing to follow."
        )
        return {"nothing": words}
    return await WAYS[played.drill.measure](played, progress)


async def _came_to_the_thief(played: Played, progress: Progress) -> Told:
    on_devnet = played.drill.asset.chain_id == DEVNET.id
    return await (devnet.received if on_devnet else coins.received)(played, progress)


async def _shipped(played: Played, _progress: Progress) -> Told:
    worth = Amount(played.drill.asset, played.take)
    words = (
        f"The take of drill {played.drill.number} ({played.drill.name}) is goods worth {worth}, shipped for payments "
        "that no chain has: no coin moved, so there is nothing to follow on a chain."
    )
    return {"nothing": words}


#: How a take is followed, by what the drill measures it with.
WAYS: Final[Mapping[Any, Way]] = {
    gained: _came_to_the_thief,
    gained_or_deposited: coins.received,
    vanished: coins.burnt,
    shipped: _shipped,
    converted: devnet.booked,
    gas_spent: devnet.gas,
}
