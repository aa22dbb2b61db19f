"""One drill in one environment: measured before, attacked and watched, settled, measured after."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from drills import measure
from drills.model import Drill, Finding, Moment, Reading
from drills.watch import Watch
from drills.world import World

#: How long somebody who is awake may take to notice, beyond the attack itself.
NOTICE_SECONDS: Final = 45.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What a drill came to, and the two measurements that say so."""

    finding: Finding
    before: Reading
    after: Reading


async def run(drill: Drill, world: World) -> Finding:
    """Run a drill. Raises what goes wrong outside the attack's own plan: then nothing was found."""
    return (await measured(drill, world)).finding


async def measured(drill: Drill, world: World) -> Measured:
    """Run a drill, and give the measurements too. Raises as ``run`` does."""
    start = time.monotonic()
    await world.refill()
    await world.learn_forwarders()
    before = await measure.read(world)
    world.thief.tried.clear()
    world.changed.clear()
    world.bought.clear()
    world.alarm.clear()
    async with Watch(world, None if world.conventional else drill.probe) as watch:
        await drill.attack(world)
        await world.settle()
        if not world.conventional:
            await watch.until_seen(NOTICE_SECONDS)
    after = await measure.read(world)
    finding = _finding(drill, world, (before, after), watch, time.monotonic() - start)
    return Measured(finding, before, after)


def _finding(drill: Drill, world: World, readings: tuple[Reading, Reading], watch: Watch, seconds: float) -> Finding:
    before, after = readings
    asset = drill.asset.id
    claims = after.claims[asset] if drill.believes_books else before.claims[asset] + world.changed.get(asset, 0)
    noticed = watch.seconds if watch.seconds is not None else NOTICE_SECONDS
    return Finding(
        take=max(0, drill.measure(drill, before, after) - world.bought.get(asset, 0)),
        bound=drill.bound(Moment(world, before, noticed)),
        custody=before.assets[asset],
        shortfall=max(0, claims - after.assets[asset]),
        detected_seconds=None if watch.seconds is None else round(watch.seconds, 2),
        detected_by=watch.by,
        seconds=round(seconds, 1),
        tried=tuple(world.thief.tried),
    )
