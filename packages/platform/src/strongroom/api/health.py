"""Is the process alive, and can it serve?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from litestar import get

from strongroom.api.problems import REFUSALS
from strongroom.api.state import Services
from strongroom.chains import service as chains
from strongroom.chains.model import ChainStatus, Tip
from strongroom.infra.database import UNREACHABLE, transaction
from strongroom_core.errors import StrongroomError

# Whoever asks wants to know now, and not after the pool has given up.
PATIENCE_SECONDS: Final = 3.0
# A chain that is still starting or catching up does not keep anybody from asking; one that stands still does.
SILENT: Final = "silent"
_STANDING_STILL: Final[frozenset[str]] = frozenset(
    {ChainStatus.DOWN, ChainStatus.WRONG_NETWORK, ChainStatus.DISAGREE, ChainStatus.REORG_TOO_DEEP, SILENT}
)
READY: Final = "ok"
DEGRADED: Final = "degraded"
NOT_READY: Final = "not-ready"


class NotReadyError(StrongroomError):
    """The process cannot serve now."""

    code = NOT_READY


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


class ChainReadiness(msgspec.Struct, frozen=True):
    """Where one chain stands: as its watcher last said, ``starting`` before it did, ``silent`` where it is gone."""

    chain: str
    status: str
    height: int | None
    detail: str | None


class Ready(msgspec.Struct, frozen=True):
    """The database answers, and a chain can be relied on; ``chains`` says how each watcher fares.

    ``status`` is ``degraded`` while some chain stands still, or its watcher is gone: the others go on without it.
    """

    status: str
    chains: list[ChainReadiness]


@get("/healthz", tags=["Health"], summary="Is it alive?")
async def healthz() -> Alive:
    """Answer, without looking anywhere."""
    return Alive("ok")


@get("/readyz", tags=["Health"], summary="Can it serve?", responses={503: REFUSALS[503]})
async def readyz(services: Services) -> Ready:
    """Ask the database and the watchers' own word; 503 while the database is away or every chain stands still."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), transaction(services.pool) as connection:
            tips = {item.id: await chains.tip(connection, item.id) for item in services.settings.chains}
    except (*UNREACHABLE, TimeoutError):
        message = "the database does not answer; try again in a moment"
        raise NotReadyError(message) from None
    limit = services.settings.api.watcher_silent_seconds
    found = [readiness(chain, tip, services.now(), limit) for chain, tip in tips.items()]
    status = verdict([item.status for item in found])
    if status == NOT_READY:
        standing = [f"{item.chain} is {item.status} ({item.detail or 'no more is known'})" for item in found]
        message = f"nothing is seen or credited for now: {'; '.join(standing)}"
        raise NotReadyError(message)
    return Ready(status, found)


def verdict(statuses: Sequence[str]) -> str:
    """Judge by how the chains stand: one that stands still does not stop the others."""
    still = [status in _STANDING_STILL for status in statuses]
    if not any(still):
        return READY
    return NOT_READY if all(still) else DEGRADED


def readiness(chain: str, tip: Tip | None, now: datetime, silent_after_seconds: int) -> ChainReadiness:
    """Say where a chain stands. A watcher's last word is worth nothing once it has been silent for too long."""
    if tip is None:
        return ChainReadiness(chain, "starting", None, None)
    silent = int((now - tip.updated_at).total_seconds())
    if silent > silent_after_seconds:
        detail = f"its watcher has not reported for {silent} seconds; the last word was {tip.status}"
        return ChainReadiness(chain, SILENT, tip.height, detail)
    return ChainReadiness(chain, str(tip.status), tip.height, tip.detail)
