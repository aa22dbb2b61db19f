"""Who may call what: every route under /v1 passes here, and a route without a scope does not start.

A guard runs before the handler; it authenticates, limits the rate and checks the scope that the route names.
"""

from __future__ import annotations

from typing import Any, Final

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Headers, State
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Send
from litestar.types import Scope as AsgiScope

from strongroom.api.problems import RateLimitedError, TokenMissingError
from strongroom.api.state import Services
from strongroom.infra.telemetry import bind_request
from strongroom.merchants.model import Principal, Scope
from strongroom_core.ids import RequestId

_BEARER: Final = "bearer "
REQUEST_ID_LENGTH_MAX: Final = 64

Caller = Principal


async def guard(connection: ASGIConnection[Any, Any, Any, State], handler: BaseRouteHandler) -> None:
    """Let the request through, or raise with a stable code."""
    services: Services = connection.app.state.services
    header = connection.headers.get("authorization", "")
    if header[: len(_BEARER)].lower() != _BEARER:
        message = "send your API token: Authorization: Bearer srk_…"
        raise TokenMissingError(message)
    principal = await services.tokens.principal(header[len(_BEARER) :].strip())
    grant = services.limiter.take(principal.token_id)
    connection.state.grant = grant
    if not grant.allowed:
        message = f"more than {grant.limit} requests a minute; try again in {grant.reset_seconds} s"
        raise RateLimitedError(message)
    principal.require(Scope(handler.opt["scope"]))
    connection.state.principal = principal


async def provide_caller(request: Request[Any, Any, State], services: Services) -> Caller:  # noqa: ARG001 -- see below
    """Give the authenticated caller to a handler.

    It asks for ``services`` only to come after them: dependencies of one rank cost a task group in every request.
    """
    caller: Caller = request.state.principal
    return caller


async def provide_services(request: Request[Any, Any, State]) -> Services:
    """Give the process's services to a handler."""
    services: Services = request.app.state.services
    return services


class RequestIdentity(ASGIMiddleware):
    """Names each request, and tells its id and what is left of the rate limit in the answer's headers."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: AsgiScope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Take the caller's X-Request-Id where it is usable, else make a fresh one."""
        headers = Headers.from_scope(scope)
        given = headers.get("x-request-id", "")
        usable = (
            0 < len(given) <= REQUEST_ID_LENGTH_MAX and given.isascii() and given.isprintable() and " " not in given
        )
        request_id = given if usable else RequestId.new()
        bind_request(request_id)

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                grant = scope["state"].get("grant")
                told = {"x-request-id": request_id} | (grant.headers() if grant else {})
                added = [(name.lower().encode(), value.encode()) for name, value in told.items()]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await next_app(scope, receive, send_named)
