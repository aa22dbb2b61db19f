"""A drill as it was played: what the ways of following its take need to know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trace_play import Coin

from drills.model import Drill
from drills.trial import Measured
from drills.world import World


@dataclass(frozen=True, slots=True)
class Played:
    """A drill, the world that it was played in, what it came to, and the thief's coins from before."""

    drill: Drill
    world: World
    folder: Path
    measured: Measured
    before: tuple[Coin, ...]

    @property
    def take(self) -> int:
        """What was taken, in base units of the drill's asset."""
        return self.measured.finding.take

    @property
    def claim(self) -> str:
        """The claim's name in the case."""
        return f"drill-{self.drill.number}"

    @property
    def title(self) -> str:
        """What reports are called."""
        return f"The take of drill {self.drill.number}, {self.drill.name}"
