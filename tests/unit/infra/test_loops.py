"""A loop survives what its step raises, and one bad item does not starve the others."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from strongroom.infra import loops

SECONDS = 60.0  # "at once" on any machine; what is waited for would take an hour


async def test_a_cancellation_that_leaks_out_of_a_step_does_not_end_its_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "MAX_DELAY_SECONDS", 0.0)
    again = asyncio.Event()
    calls = 0

    async def step() -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise asyncio.CancelledError
        again.set()
        return 0

    task = asyncio.create_task(loops.Loop("test", step).run())
    await asyncio.wait_for(again.wait(), SECONDS)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_bad_item_is_put_off_with_the_errors_name_and_the_others_are_done() -> None:
    done: list[str] = []
    put_off: list[tuple[str, str]] = []

    async def do(item: str) -> None:
        if item == "bad":
            raise KeyError(item)
        done.append(item)

    async def postpone(item: str, reason: str) -> None:
        put_off.append((item, reason))

    assert await loops.each(["first", "bad", "last"], do, postpone) == 3
    assert done == ["first", "last"]
    assert [item for item, _ in put_off] == ["bad"]
    assert "KeyError" in put_off[0][1]


async def idle() -> int:
    return 0


@pytest.mark.parametrize("swallowed", [True, False])
async def test_a_loop_that_a_step_cancels_ends_the_process_instead_of_being_missed(
    monkeypatch: pytest.MonkeyPatch, *, swallowed: bool
) -> None:
    async def step() -> int:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with contextlib.suppress(*[asyncio.CancelledError] if swallowed else []):
            await asyncio.sleep(0)
        return 0

    monkeypatch.setattr(loops, "_listen", lambda *_: asyncio.sleep(3600))
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(loops.run_loops("", [loops.Loop("good", idle), loops.Loop("bad", step)]), SECONDS)
    assert [str(error) for error in caught.value.exceptions] == ["the loop bad was cancelled by what it ran"]


async def test_loops_stop_together_at_once_also_where_a_wait_swallows_the_cancellation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = asyncio.Event()

    async def swallows() -> int:
        waits.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        return 1

    monkeypatch.setattr(loops, "_listen", lambda *_: asyncio.sleep(3600))
    task = asyncio.create_task(loops.run_loops("", [loops.Loop("good", idle), loops.Loop("bad", swallows)]))
    await waits.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, SECONDS)
