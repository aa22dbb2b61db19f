"""A process of its own that replaces a list and is killed in the middle: run as a script by the tests of updates."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from strongroom_tracing.tags.store import TagStore
from tests.unit.tracing.tags.made import evm, put, tag

SIZE = 50
FIRST = range(SIZE)
SECOND = range(SIZE, 2 * SIZE)


def tags_of(numbers: range) -> list[Any]:
    """The tags of one issue of the list."""
    return [tag(evm(number), label=f"issue of {numbers.start}") for number in numbers]


def main(folder: Path, fatal_step: int) -> None:
    """Replace the first issue by the second, and die by SIGKILL before the n-th step that touches the disk."""
    steps = 0

    def deadly(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == fatal_step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return step

    store = TagStore.open(folder)
    os.fsync = deadly(os.fsync)
    Path.replace = deadly(Path.replace)  # type: ignore[method-assign] # the process lives for this one call
    Path.unlink = deadly(Path.unlink)  # type: ignore[method-assign]
    Path.open = deadly(Path.open)  # type: ignore[method-assign]
    put(store, "a", tags_of(SECOND))
    sys.stdout.write(f"{steps}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
