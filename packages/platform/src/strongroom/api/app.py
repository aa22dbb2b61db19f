"""The API as an ASGI application: routes, access, errors, OpenAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from litestar import Litestar, Router
from litestar.config.response_cache import ResponseCacheConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, Schema, SecurityScheme
from litestar.types import ControllerRouterHandler

from strongroom.api import access, docs, health, problems, schemas
from strongroom.api.resources import (
    balances,
    deposit_addresses,
    deposits,
    events,
    invoices,
    keys,
    merchant,
    payouts,
    webhook_endpoints,
)
from strongroom.api.state import Services
from strongroom_core.errors import StrongroomError

BODY_BYTES_MAX: Final = 64 * 1024
OpenServices = Callable[[], AbstractAsyncContextManager[Services]]


def v1_router() -> Router:
    """Put the resources under /v1, each behind the guard."""
    return Router(
        "/v1",
        route_handlers=[
            merchant.router,
            keys.router,
            invoices.router,
            deposit_addresses.router,
            deposits.router,
            balances.router,
            payouts.router,
            webhook_endpoints.router,
            webhook_endpoints.deliveries_router,
            events.router,
        ],
        guards=[access.guard],
        dependencies={"caller": Provide(access.provide_caller)},
        security=[{"token": []}],
    )


def create_app(open_services: OpenServices, pages: Sequence[ControllerRouterHandler] = ()) -> Litestar:
    """Make the application; ``open_services`` opens what it stands on at start and closes it at the end.

    ``pages`` are the routers of checkout and console, which stand beside the API.
    """

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with open_services() as services:
            app.state.services = services
            yield

    app = Litestar(
        route_handlers=[v1_router(), health.healthz, health.readyz, docs.page, *pages],
        lifespan=[lifespan],
        dependencies={"services": Provide(access.provide_services)},
        middleware=[access.RequestIdentity()],
        exception_handlers=_exception_handlers(),
        openapi_config=_openapi(),
        request_max_body_size=BODY_BYTES_MAX,
        response_cache_config=ResponseCacheConfig(),
        debug=False,
    )
    _close_inputs(app)
    return app


def _close_inputs(app: Litestar) -> None:
    """Say in the document that inputs take no unknown fields, which the framework does not say by itself."""
    known = app.openapi_schema.components.schemas or {}
    for shape in schemas.INPUTS:
        for name, schema in known.items():
            if name.rpartition("_")[2] == shape.__name__ and isinstance(schema, Schema):
                schema.additional_properties = False


def _exception_handlers() -> dict[Any, Any]:
    return {
        StrongroomError: problems.on_refusal,
        ValidationException: problems.on_invalid,
        HTTPException: problems.on_http,
        Exception: problems.on_bug,
    }


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Strongroom",
        version="1",
        description="Accept, hold and pay out crypto. Money leaves only on a payment intent that you signed.",
        components=Components(
            security_schemes={"token": SecurityScheme(type="http", scheme="bearer", description="An API token")}
        ),
        path="/openapi",
        use_handler_docstrings=True,
        render_plugins=[docs.JSON_DOCUMENT],
    )
