"""Runs drills in one configuration: an environment from nothing, each drill in turn, and the environment gone again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from drills import trial
from drills.model import Drill, Finding
from drills.world import prepare
from strongroom.demo import run as demonstration
from strongroom.demo.environment import Environment
from strongroom.demo.progress import Audience, Progress
from strongroom_core.refusals import RefusalTag

Keep = Callable[[Drill, Finding], None]


async def run(
    folder: Path,
    drills: Sequence[Drill],
    off: frozenset[str],
    audience: Audience,
    keep: Keep,
    *,
    intents: int,
    conventional: bool,
) -> None:
    """Run drills one after another where ``off`` is switched off; ``keep`` gets each finding as it is made.

    A drill that cannot be played is a finding with its trouble, and fails; the others go on.
    """
    progress = Progress(audience)
    environment = Environment.open(folder)
    tags = {tag.value for tag in RefusalTag}
    environment.finish("drill", switched_off=sorted(off & tags))
    async with demonstration.running(folder, progress, {}) as scene:
        world = await prepare(scene, off, conventional=conventional)
        world.intents = intents
        for drill in drills:
            with progress.step(f"drill {drill.number}", f"Drill {drill.number}: {drill.name}") as outcome:
                start = time.monotonic()
                try:
                    finding = await trial.run(drill, world)
                except Exception as error:  # noqa: BLE001 -- what keeps one drill from being played is its finding
                    finding = Finding(0, 0, 0, 0, None, "", round(time.monotonic() - start, 1), trouble=repr(error))
                keep(drill, finding)
                outcome.detail = (
                    finding.trouble or f"take {finding.take} of at most {finding.bound}; {finding.detected_by}"
                )
    shutil.rmtree(folder, ignore_errors=True)
