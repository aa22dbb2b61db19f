"""The ceiling: the same server, framework, pool and database, doing one bare durable single-row insert per request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from granian.constants import Interfaces
from granian.server import Server
from litestar import Litestar, Request, post
from litestar.datastructures import State

from strongroom.infra.database import make_pool, transaction
from strongroom.infra.settings import load_settings


class Body(msgspec.Struct):
    """The same body that an invoice is made from."""

    amount: str
    currency: str


class Answer(msgspec.Struct):
    """The row's number."""

    id: int


@asynccontextmanager
async def _lifespan(app: Litestar) -> AsyncIterator[None]:
    settings = load_settings()
    async with make_pool(settings.dsn("api"), size=settings.database.pool_size, name="bare") as pool:
        app.state.pool = pool
        yield


@post("/bare")
async def insert(data: Body, request: Request[None, None, State]) -> Answer:
    """Insert one row, durably."""
    statement = "INSERT INTO bench_bare (amount, currency) VALUES (%s, %s) RETURNING id"
    async with transaction(request.app.state.pool) as connection:
        row = await (await connection.execute(statement, [data.amount, data.currency])).fetchone()
    assert row is not None
    return Answer(row["id"])


def build() -> Litestar:
    """Make the application."""
    return Litestar(route_handlers=[insert], lifespan=[_lifespan], openapi_config=None)


if __name__ == "__main__":
    _settings = load_settings()
    Server(
        "benchmarks.bare_app:build",
        factory=True,
        address=_settings.api.host,
        port=_settings.api.port,
        interface=Interfaces.ASGI,
        workers=_settings.api.workers,
        log_access=False,
        websockets=False,
    ).serve()
