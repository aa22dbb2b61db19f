"""What `strongroom up` shows: on a terminal the step under way moves and what is done stays; elsewhere plain lines."""

from __future__ import annotations

import io
import re
import time

import pytest
from rich.console import Console

from strongroom.demo.progress import Progress
from strongroom.processes.commands import running
from strongroom.processes.commands.display import Lines, LiveSteps

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SECONDS = 60.0


def terminal(width: int = 140) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=True, width=width, color_system=None, legacy_windows=False), file


def plain(file: io.StringIO) -> str:
    return CODES.sub("", file.getvalue())


def wait_for(file: io.StringIO, pattern: str) -> None:
    end = time.monotonic() + SECONDS
    while not re.search(pattern, plain(file)):
        assert time.monotonic() < end, plain(file)
        time.sleep(0.02)


def fails(progress: Progress, why: str) -> None:
    """A step that does not happen."""
    with progress.step("chain", "A chain begins"):
        raise OSError(why)


@pytest.mark.parametrize("width", [80, 140])
def test_the_step_under_way_is_drawn_with_its_time_before_it_ends_and_stays_when_it_is_done(width: int) -> None:
    console, file = terminal(width)
    with LiveSteps(console) as live:
        progress = Progress(live)
        with progress.step("payment", "The shopper pays it") as outcome:
            wait_for(file, r"The shopper pays it +(?!0\.0)\d+\.\d s")  # it moves: the time goes on
            assert "✓" not in plain(file)
            outcome.detail = "0.0005 BTC by [abc]…"
        live.say("a remark")
    last = plain(file).splitlines()
    done = next(line for line in last if "✓" in line)
    assert re.search(r"✓ The shopper pays it +\d+\.\d\d s", done)
    assert any("0.0005 BTC by [abc]…" in line for line in last)
    assert any("a remark" in line for line in last)
    assert progress.steps[0]["ok"] is True


def test_a_step_that_fails_says_why_and_goes_on_up() -> None:
    console, file = terminal()
    with LiveSteps(console) as live, pytest.raises(OSError, match="broken"):
        fails(Progress(live), "broken [red]pipe")
    assert re.search(r"✗ A chain begins .*broken \[red\]pipe", plain(file))


def test_where_nobody_looks_each_step_is_one_line() -> None:
    file = io.StringIO()
    progress = Progress(Lines(Console(file=file, width=240)))
    with progress.step("keys", "Six keys are made") as outcome:
        outcome.detail = "each for one holder"
    with pytest.raises(OSError, match="full"):
        fails(progress, "the disk is full")
    first, second = file.getvalue().splitlines()
    assert re.fullmatch(r"ok +\d+\.\d\d s  Six keys are made: each for one holder", first)
    assert re.fullmatch(r"FAIL +\d+\.\d\d s  A chain begins: .*the disk is full.*", second)


def test_a_terminal_is_drawn_on_and_a_pipe_is_not() -> None:
    assert isinstance(running._audience(terminal()[0])[0], LiveSteps)
    assert isinstance(running._audience(Console(file=io.StringIO()))[0], Lines)
