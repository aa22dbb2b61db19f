"""One chain that stands still does not take the others out of service; all of them do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from strongroom.api.health import readiness, verdict
from strongroom.chains.model import ChainStatus as S
from strongroom.chains.model import Tip


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        ([], "ok"),
        (["starting"], "ok"),
        ([S.OK, S.SYNCING], "ok"),
        ([S.DOWN], "not-ready"),
        ([S.OK, S.DOWN], "degraded"),
        (["starting", S.DISAGREE], "degraded"),
        ([S.OK, "silent"], "degraded"),
        (["silent", "silent"], "not-ready"),
        ([S.WRONG_NETWORK, S.REORG_TOO_DEEP], "not-ready"),
    ],
)
def test_only_when_every_chain_stands_still_is_it_not_ready(statuses: list[str], told: str) -> None:
    assert verdict(statuses) == told


@pytest.mark.parametrize(("seconds", "status"), [(0, "ok"), (60, "ok"), (61, "silent"), (86_400, "silent")])
def test_a_watchers_word_counts_for_so_long_and_then_its_silence(seconds: int, status: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    tip = Tip("eip155:1", 7, "0x7", S.OK, "", now - timedelta(seconds=seconds))
    told = readiness("eip155:1", tip, now, 60)
    assert (told.status, told.height) == (status, 7)
    assert ("its watcher has not reported for" in (told.detail or "")) == (status == "silent")


def test_a_watcher_that_never_spoke_is_starting() -> None:
    assert readiness("eip155:1", None, datetime(2026, 1, 1, tzinfo=UTC), 60).status == "starting"
