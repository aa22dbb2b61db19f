"""Routes of the checkout: the page, its state as JSON, and the stream that keeps it live.

Nobody logs in here: whoever has an invoice's link may pay it, and sees nothing but what its payer needs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import structlog
from litestar import MediaType, Request, Response, Router, get
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath, SkipValidation
from litestar.response import Stream
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR
from litestar.types import ExceptionHandlersMap

from strongroom.checkout import words
from strongroom.checkout.events import stream
from strongroom.checkout.service import Checkout
from strongroom.infra.database import UNREACHABLE
from strongroom.infra.pages.kit import PageKit
from strongroom.invoices.errors import InvoiceNotFoundError
from strongroom_core.ids import InvalidIdError

_log = structlog.get_logger(__name__)
# no-referrer: the address of the page is the payer's secret, and no other site may learn it.
_KIT: Final = PageKit("strongroom.checkout", "/checkout/assets", forms=False, referrer_policy="no-referrer")
STREAM_HEADERS: Final = {**_KIT.headers, "Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}

Desk = NamedDependency[SkipValidation[Checkout]]


async def provide_checkout(state: State) -> Checkout:
    """Give what the process opened for these pages."""
    checkout: Checkout = state.checkout
    return checkout


@get("/{invoice_id:str}")
async def show_page(invoice_id: FromPath[str], checkout: Desk) -> Response[str]:
    """Show the page on which a shopper pays."""
    state = await checkout.state(invoice_id)
    return _KIT.page(
        "checkout.html",
        state=state,
        page=state["page"],
        steps=words.STEPS,
        network=words.network(state["chain_id"]),
        short=words.short,
        now_ms=_milliseconds(state["server_time"]),
        created_ms=_milliseconds(state["created_at"]),
        expires_ms=_milliseconds(state["expires_at"]),
    )


@get("/{invoice_id:str}/state")
async def show_state(invoice_id: FromPath[str], checkout: Desk) -> Response[dict[str, Any]]:
    """Give the invoice as its payer may see it, with the page's words."""
    return Response(await checkout.state(invoice_id), media_type=MediaType.JSON, headers=_KIT.headers)


@get("/{invoice_id:str}/events")
async def follow(invoice_id: FromPath[str], checkout: Desk) -> Response[Any]:
    """Keep a page live; refused with 503 where too many are open, and then the page asks from time to time instead."""
    if checkout.live.full or checkout.live.closed:
        return Response({"code": "too-many-pages"}, status_code=503, headers=_KIT.headers)
    first = await checkout.state(invoice_id)
    return Stream(stream(checkout, invoice_id, first), headers=STREAM_HEADERS)


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _refuse(request: Request[Any, Any, Any], status: int, code: str, headline: str, detail: str) -> Response[Any]:
    if request.url.path.endswith(("/state", "/events")):
        return Response({"code": code, "detail": detail}, status_code=status, headers=_KIT.headers)
    return _KIT.page("trouble.html", status, headline=headline, detail=detail)


def _not_found(request: Request[Any, Any, Any], _error: Exception) -> Response[Any]:
    detail = "Check the link that the merchant gave you: it may be cut short. Do not send money anywhere meanwhile."
    return _refuse(request, 404, "invoice-not-found", "There is no invoice here", detail)


def _unreachable(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    _log.warning("checkout cannot reach the database", error=type(error).__name__)
    detail = "Nothing is lost: a payment that you have sent is found as soon as we are back. Try again in a moment."
    return _refuse(request, 503, "not-ready", "This page cannot be shown right now", detail)


def _bug(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    _log.error("checkout failed", exc_info=error)
    detail = "The fault is ours. Nothing is lost: a payment that you have sent is found. Try again in a moment."
    return _refuse(request, 500, "internal", "Something went wrong", detail)


def _refused_by_framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    return _bug(request, error) if error.status_code >= HTTP_500_INTERNAL_SERVER_ERROR else _not_found(request, error)


_TROUBLE: Final[ExceptionHandlersMap] = {
    InvoiceNotFoundError: _not_found,
    InvalidIdError: _not_found,
    **dict.fromkeys(UNREACHABLE, _unreachable),
    HTTPException: _refused_by_framework,
    Exception: _bug,
}

router = Router(
    "/checkout",
    route_handlers=[show_page, show_state, follow],
    dependencies={"checkout": Provide(provide_checkout)},
    exception_handlers=_TROUBLE,
    include_in_schema=False,
)
assets = _KIT.assets_handler()
