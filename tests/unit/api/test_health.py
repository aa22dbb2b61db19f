"""One chain that stands still does not take the others out of service; all of them do."""

from __future__ import annotations

import pytest

from strongroom.api.health import verdict
from strongroom.chains.model import ChainStatus as S


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        ([], "ok"),
        ([None], "ok"),
        ([S.OK, S.SYNCING], "ok"),
        ([S.DOWN], "not-ready"),
        ([S.OK, S.DOWN], "degraded"),
        ([None, S.DISAGREE], "degraded"),
        ([S.WRONG_NETWORK, S.REORG_TOO_DEEP], "not-ready"),
    ],
)
def test_only_when_every_chain_stands_still_is_it_not_ready(statuses: list[S | None], told: str) -> None:
    assert verdict(statuses) == told
