"""The log of a watch: each move once, in order; whatever reorgs take and give, what stands is what the chain says."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_tracing.marks.errors import CaseBusyError
from strongroom_tracing.watching import MOVED, UNDONE, Log


def move(height: int, name: str) -> dict[str, Any]:
    return {"height": height, "txid": name, "to": "x", "value": "1"}


MOVES = {f"id{number}": move(number // 3, f"tx{number}") for number in range(12)}


@settings(deadline=None, max_examples=40)  # it waits for the disk
@given(st.lists(st.sets(st.sampled_from(sorted(MOVES))), max_size=6), st.integers(0, 6))
def test_what_stands_is_what_was_last_seen_and_each_change_is_told_once(seen: list[set[str]], crash: int):
    with tempfile.TemporaryDirectory() as folder:
        told = []
        for number, keys in enumerate(seen):
            log = Log(Path(folder), "fifo")  # a new process each time
            log.see({key: MOVES[key] for key in keys})
            assert set(log.standing()) == keys
            if number != crash:  # else it dies before it tells
                for line in log.untold():
                    told.append(line)
                    log.note_told(line)
        rest = Log(Path(folder), "fifo").untold()
        assert [line.number for line in (*told, *rest)] == list(range(1, len(told) + len(rest) + 1))
        for key in MOVES:
            changes = [line.event for line in (*told, *rest) if line.id == key]
            assert changes == [MOVED, UNDONE] * (len(changes) // 2) + [MOVED] * (len(changes) % 2)


def test_what_is_gone_is_told_before_what_is_new_and_the_latest_first(tmp_path: Path):
    log = Log(tmp_path, "fifo")
    log.see({key: MOVES[key] for key in ("id0", "id4", "id8")})
    log.see({key: MOVES[key] for key in ("id0", "id5", "id11")})
    assert [(line.event, line.id) for line in log.lines()] == [
        (MOVED, "id0"),
        (MOVED, "id4"),
        (MOVED, "id8"),
        (UNDONE, "id8"),
        (UNDONE, "id4"),
        (MOVED, "id5"),
        (MOVED, "id11"),
    ]


def test_a_log_has_one_watcher(tmp_path: Path):
    with Log(tmp_path, "fifo").held(), pytest.raises(CaseBusyError), Log(tmp_path, "fifo").held():
        pass
    with Log(tmp_path, "fifo").held():
        pass
