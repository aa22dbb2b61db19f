"""A builder that is killed anywhere leaves an index that opens, and goes on to the same bytes as one never killed."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from strongroom_tracing.index.builder import build
from strongroom_tracing.index.service import Index, folder_status
from tests.unit.tracing.index.comparing import check_against_memory, same_data
from tests.unit.tracing.index.making import ChainMaker, ListSource

# What touches the disk; a step is the moment before such a call.
TOUCHES = {
    "fsync",
    "replace",
    "unlink",
    "truncate",
    "tofile",
    "write",
    "flush",
    "mkdir",
    "rename",
    "ftruncate",
    "rmdir",
}
PARTITION, BATCH = 16, 4_000

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def run(folder: Path, maker: ChainMaker) -> None:
    build(folder, ListSource(maker), batch_bytes=BATCH, partition=PARTITION)


def killed_at(step: int, work: Callable[[], None]) -> bool:
    """Do the work in a child that kills itself (SIGKILL) before its nth touch of the disk; whether it came that far."""
    child = os.fork()
    if child == 0:
        left = step

        def watch(_frame: FrameType, event: str, what: Any) -> None:
            nonlocal left
            if event == "c_call" and what.__name__ in TOUCHES:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.setprofile(watch)
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 -- a child must not go on as a second pytest
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def kills(begun: Path, folder: Path, maker: ChainMaker, *, every: int) -> Iterator[int]:
    """Leave in ``folder`` what a builder that was killed at some step made of a copy of ``begun``."""
    step = 1
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(begun, folder)
        if not killed_at(step, lambda: run(folder, maker)):
            return
        yield step
        step += every


def test_killed_while_building_and_again_while_going_on(place: Path):
    maker = ChainMaker(1).extend(24)
    run(place / "whole", maker)
    (place / "nothing").mkdir()
    steps = 0
    for _ in kills(place / "nothing", place / "index", maker, every=23):
        killed_at(5 + steps, lambda: run(place / "index", maker))
        run(place / "index", maker)
        same_data(place / "whole", place / "index", runs=True)
        steps += 1
    assert steps > 20


def test_killed_in_a_reorg(place: Path):
    old = ChainMaker(3).extend(36)
    new = old.fork(20, seed=4).extend(20)
    run(place / "old", old)
    run(place / "new", new)
    tips = set()
    for step in kills(place / "old", place / "index", new, every=19):
        with Index.open(place / "index") as index:  # a reader comes first
            tips.add(index.tip)
        check_against_memory(place / "index", old if folder_status(place / "index").tip in tips_of(old) else new)
        if step % 3 == 0:
            run(place / "index", new)
            same_data(place / "new", place / "index")
            check_against_memory(place / "index", new)
    assert len(tips) > 3  # before, at the fork, and on the way


def tips_of(maker: ChainMaker) -> set[tuple[int, str]]:
    return {(block.height, block.hash) for block in maker.raw_blocks()}
