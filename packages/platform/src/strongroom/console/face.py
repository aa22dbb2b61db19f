"""What all routes of the console share: who looks, whose form it is, and what a refusal looks like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

import structlog
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.params import SkipValidation
from litestar.response import Redirect
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR
from litestar.types import ExceptionHandlersMap

from strongroom.console import words
from strongroom.console.errors import (
    ForeignOriginError,
    LoginNeededError,
    PageNotFoundError,
    TooManyLoginsError,
)
from strongroom.console.model import Visitor
from strongroom.console.rules import same_origin
from strongroom.console.service import Console
from strongroom.deposits.errors import DepositNotFoundError
from strongroom.infra.database import UNREACHABLE
from strongroom.infra.pages.kit import PageKit
from strongroom.invoices.errors import InvoiceNotFoundError
from strongroom.merchants.errors import ScopeMissingError, TokenInvalidError
from strongroom.payouts.errors import PayoutNotFoundError
from strongroom.webhooks.errors import DeliveryNotFoundError, EndpointNotFoundError
from strongroom_core.errors import StrongroomError
from strongroom_core.ids import InvalidIdError

_log = structlog.get_logger(__name__)
COOKIE: Final = "strongroom_console"
LOGIN: Final = "/console/login"
PAGE_SIZE: Final = 25
_CURSOR: Final = re.compile(r"[a-z]{3}_[0-9a-z]{26}")
# same-origin, not no-referrer: under no-referrer browsers send `Origin: null` with a form (Fetch standard), and the
# origin is how we know our own forms.
KIT: Final = PageKit("strongroom.console", "/console/assets", forms=True, referrer_policy="same-origin")
_SEE_OTHER: Final = 303
Desk = NamedDependency[SkipValidation[Console]]
Caller = NamedDependency[SkipValidation[Visitor]]


async def provide_console(state: State) -> Console:
    """Give what the process opened for these pages."""
    console: Console = state.console
    return console


async def provide_visitor(request: Request[Any, Any, State], console: Desk) -> Visitor:
    """Say who looks. Raises ``LoginNeededError``."""
    return await console.visitor(request.cookies.get(COOKIE))


async def own_forms_only(connection: ASGIConnection[Any, Any, Any, State], _handler: BaseRouteHandler) -> None:
    """Refuse a form that another site sent. Raises ``ForeignOriginError``."""
    console: Console = connection.app.state.console
    headers = connection.headers
    if not same_origin(
        origin=headers.get("origin"),
        fetch_site=headers.get("sec-fetch-site"),
        host=headers.get("host"),
        public_url=console.settings.api.public_url,
    ):
        message = "this form was not sent by a page of this console"
        raise ForeignOriginError(message)


def show(visitor: Visitor, template: str, here: str, **context: Any) -> Response[str]:
    """Render a page for a visitor; ``here`` is its place in the navigation."""
    return KIT.page(template, visitor=visitor, here=here, words=words, money=words.money, when=words.when, **context)


def see(path: str) -> Redirect:
    """Send the browser on after a form, so that loading again sends nothing twice."""
    return Redirect(path, status_code=_SEE_OTHER, headers=KIT.headers)


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=_HasId)


def check_cursor(cursor: str | None) -> str | None:
    """Refuse a cursor that no page of ours linked to. Raises ``PageNotFoundError``."""
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        message = "no page begins there"
        raise PageNotFoundError(message)
    return cursor


def cut(items: Sequence[Item]) -> tuple[Sequence[Item], str | None]:
    """Cut what was fetched with ``PAGE_SIZE + 1`` to a page and the next page's cursor."""
    shown = items[:PAGE_SIZE]
    return shown, str(shown[-1].id) if len(items) > PAGE_SIZE else None


def login_page(status: int = 200, problem: str = "") -> Response[str]:
    """Render the form to log in."""
    return KIT.page("login.html", status, problem=problem)


def _to_login(_request: Request[Any, Any, Any], _error: Exception) -> Redirect:
    return see(LOGIN)


def _login_refused(_request: Request[Any, Any, Any], error: StrongroomError) -> Response[str]:
    return login_page(429 if isinstance(error, TooManyLoginsError) else 401, error.message)


def _not_found(_request: Request[Any, Any, Any], _error: Exception) -> Response[str]:
    detail = "It does not exist, or it belongs to somebody else."
    return KIT.page("trouble.html", 404, headline="There is nothing here", detail=detail)


def _forbidden(_request: Request[Any, Any, Any], error: StrongroomError) -> Response[str]:
    return KIT.page("trouble.html", 403, headline="Not allowed", detail=f"{error.message.capitalize()}.")


def _unreachable(_request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    _log.warning("console cannot reach the database", error=type(error).__name__)
    return KIT.page("trouble.html", 503, headline="Not possible right now", detail="Try again in a moment.")


def _bug(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    _log.error("console failed", exc_info=error, path=request.url.path)
    detail = "The fault is ours, and it is logged. Try again in a moment."
    return KIT.page("trouble.html", 500, headline="Something went wrong", detail=detail)


def _refused_by_framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[str]:
    return _bug(request, error) if error.status_code >= HTTP_500_INTERNAL_SERVER_ERROR else _not_found(request, error)


TROUBLE: Final[ExceptionHandlersMap] = {
    LoginNeededError: _to_login,
    TooManyLoginsError: _login_refused,
    TokenInvalidError: _login_refused,
    ForeignOriginError: _forbidden,
    ScopeMissingError: _forbidden,
    **dict.fromkeys(
        (
            PageNotFoundError,
            InvalidIdError,
            InvoiceNotFoundError,
            DepositNotFoundError,
            PayoutNotFoundError,
            DeliveryNotFoundError,
            EndpointNotFoundError,
        ),
        _not_found,
    ),
    **dict.fromkeys(UNREACHABLE, _unreachable),
    HTTPException: _refused_by_framework,
    Exception: _bug,
}
