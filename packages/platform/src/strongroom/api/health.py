"""Is the process alive, and can it serve?"""

from __future__ import annotations

import msgspec
from litestar import get

from strongroom.api.problems import REFUSALS
from strongroom.api.state import Services
from strongroom.chains import service as chains
from strongroom.infra.database import UNREACHABLE, transaction
from strongroom_core.errors import StrongroomError


class NotReadyError(StrongroomError):
    """The process cannot serve now."""

    code = "not-ready"


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


class ChainReadiness(msgspec.Struct, frozen=True):
    """Where one chain stands."""

    chain: str
    status: str
    height: int | None
    detail: str | None


class Ready(msgspec.Struct, frozen=True):
    """The database answers; ``chains`` says how each watcher fares, which does not stop requests."""

    status: str
    chains: list[ChainReadiness]


@get("/healthz", tags=["Health"], summary="Is it alive?")
async def healthz() -> Alive:
    """Answer, without looking anywhere."""
    return Alive("ok")


@get("/readyz", tags=["Health"], summary="Can it serve?", responses={503: REFUSALS[503]})
async def readyz(services: Services) -> Ready:
    """Ask the database and the watchers' own word."""
    try:
        async with transaction(services.pool) as connection:
            tips = {item.id: await chains.tip(connection, item.id) for item in services.settings.chains}
    except UNREACHABLE:
        message = "the database does not answer; try again in a moment"
        raise NotReadyError(message) from None
    return Ready(
        "ok",
        [
            ChainReadiness(
                chain, str(tip.status) if tip else "starting", tip.height if tip else None, tip.detail if tip else None
            )
            for chain, tip in tips.items()
        ],
    )
