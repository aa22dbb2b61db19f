"""Catching up is shown, and not at every block."""

from __future__ import annotations

from structlog.testing import capture_logs

from strongroom.processes.watcher import CatchUp


def test_catching_up_is_told_at_once_then_now_and_then_and_at_its_end() -> None:
    told = CatchUp("a chain")
    with capture_logs() as logs:
        for height in range(100, 1_001):
            told(height, 1_000)
        told(1_001, 1_001)
    assert [(row["event"], row["height"]) for row in logs] == [("catching up", 100), ("caught up", 1_000)]
    assert (logs[0]["node_height"], logs[0]["behind"]) == (1_000, 900)
