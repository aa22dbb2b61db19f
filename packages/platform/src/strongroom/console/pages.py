"""Routes of the console: logging in and out, the overview, and the router of all of it."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, Router, get, post
from litestar.datastructures import Cookie, State
from litestar.di import Provide
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from strongroom.console import money_pages, webhook_pages
from strongroom.console.errors import PageNotFoundError
from strongroom.console.face import (
    COOKIE,
    KIT,
    LOGIN,
    TROUBLE,
    Caller,
    Desk,
    login_page,
    own_forms_only,
    provide_console,
    provide_visitor,
    see,
    show,
)
from strongroom.console.model import Visitor
from strongroom.console.service import SESSION_TIME, Console
from strongroom.console.views import BalanceRow, balance_rows
from strongroom.deposits import service as deposits
from strongroom.infra.database import Connection, transaction
from strongroom.invoices import service as invoices
from strongroom.ledger import service as ledger
from strongroom.merchants.errors import ScopeMissingError
from strongroom.payouts import service as payouts

LATEST: Final = 5
Form = URLEncodedBody[dict[str, str]]


@get("/login", sync_to_thread=False)
def show_login() -> Response[str]:
    """Show the form to log in."""
    return login_page()


@post("/login", guards=[own_forms_only])
async def log_in(data: Form, request: Request[Any, Any, State], console: Desk) -> Response[Any]:
    """Exchange an API token for a session; the browser keeps a secret of its own, never the token."""
    address = request.client.host if request.client else ""
    try:
        secret = await console.log_in(data.get("token", "").strip(), address)
    except ScopeMissingError as error:
        return login_page(401, error.message)
    answer = see("/console")
    answer.set_cookie(_cookie(secret, console, max_age=int(SESSION_TIME.total_seconds())))
    return answer


@post("/logout", guards=[own_forms_only])
async def log_out(request: Request[Any, Any, State], console: Desk) -> Redirect:
    """End the session, here and in the database."""
    await console.log_out(request.cookies.get(COOKIE))
    answer = see(LOGIN)
    answer.set_cookie(_cookie("", console, max_age=0))
    return answer


@get("/")
async def overview(visitor: Caller, console: Desk) -> Response[str]:
    """Show balances, and the latest of everything."""
    merchant_id = visitor.merchant.id
    async with transaction(console.pool) as connection:
        balances = await _balances(connection, console, visitor)
        latest_invoices, _ = await invoices.list_invoices(connection, merchant_id, limit=LATEST)
        latest_deposits = await deposits.list_deposits(connection, merchant_id, None, LATEST)
        latest_payouts = await payouts.list_payouts(connection, merchant_id, None, LATEST)
    return show(
        visitor,
        "overview.html",
        "overview",
        balances=balances,
        invoices=latest_invoices,
        deposits=latest_deposits,
        payouts=latest_payouts,
    )


@get("/{rest:path}", sync_to_thread=False)
def nothing_here(rest: FromPath[str]) -> Response[str]:
    """Answer for every other path under /console."""
    raise PageNotFoundError(rest)


async def _balances(connection: Connection, console: Console, visitor: Visitor) -> list[BalanceRow]:
    found = await ledger.balances(connection, visitor.merchant.id)
    pending = await deposits.pending_by_asset(connection, visitor.merchant.id)
    return balance_rows(console.settings.held_assets, found, pending)


def _cookie(value: str, console: Console, *, max_age: int) -> Cookie:
    return Cookie(
        key=COOKIE,
        value=value,
        path="/console",
        max_age=max_age,
        secure=console.secure,
        httponly=True,
        samesite="strict",
    )


router = Router(
    "/console",
    route_handlers=[
        show_login,
        log_in,
        log_out,
        overview,
        *money_pages.HANDLERS,
        *webhook_pages.HANDLERS,
        nothing_here,
    ],
    dependencies={"console": Provide(provide_console), "visitor": Provide(provide_visitor)},
    exception_handlers=TROUBLE,
    include_in_schema=False,
)
assets = KIT.assets_handler()
