"""Routes of the console that show invoices, deposits and payouts: a list and a page for each."""

from __future__ import annotations

from typing import Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from strongroom.console import words
from strongroom.console.errors import PageNotFoundError
from strongroom.console.face import PAGE_SIZE, Caller, Desk, check_cursor, cut, show
from strongroom.deposits import service as deposits
from strongroom.infra.database import transaction
from strongroom.invoices import service as invoices
from strongroom.invoices.model import Status
from strongroom.payouts import service as payouts
from strongroom_core.ids import DepositId, InvoiceId, PayoutId


@get("/invoices")
async def list_invoices(
    visitor: Caller, console: Desk, cursor: FromQuery[str | None] = None, status: FromQuery[str | None] = None
) -> Response[str]:
    """List invoices, newest first, of one status or of all."""
    wanted = _status(status)
    async with transaction(console.pool) as connection:
        shown, following = await invoices.list_invoices(
            connection, visitor.merchant.id, check_cursor(cursor), PAGE_SIZE, wanted
        )
    return show(
        visitor, "invoices.html", "invoices", invoices=shown, following=following, status=status, first=cursor is None
    )


@get("/invoices/{invoice_id:str}")
async def show_invoice(invoice_id: FromPath[str], visitor: Caller, console: Desk) -> Response[str]:
    """Show one invoice, what came for it, and its life."""
    async with transaction(console.pool) as connection:
        found = await invoices.get_invoice(connection, visitor.merchant.id, InvoiceId.parse(invoice_id))
        history = await invoices.invoice_history(connection, visitor.merchant.id, found.id)
    view = invoices.merchant_view(found, console.settings)
    return show(visitor, "invoice.html", "invoices", invoice=found, view=view, history=history)


@get("/deposits")
async def list_deposits(visitor: Caller, console: Desk, cursor: FromQuery[str | None] = None) -> Response[str]:
    """List deposits, newest first."""
    async with transaction(console.pool) as connection:
        found = await deposits.list_deposits(connection, visitor.merchant.id, check_cursor(cursor), PAGE_SIZE + 1)
    shown, following = cut(found)
    return show(visitor, "deposits.html", "deposits", deposits=shown, following=following, first=cursor is None)


@get("/deposits/{deposit_id:str}")
async def show_deposit(deposit_id: FromPath[str], visitor: Caller, console: Desk) -> Response[str]:
    """Show one deposit and the arrows that it went."""
    async with transaction(console.pool) as connection:
        found = await deposits.get_deposit(connection, visitor.merchant.id, DepositId.parse(deposit_id))
        arrows = await deposits.history(connection, found.id)
    return show(visitor, "deposit.html", "deposits", deposit=found, arrows=arrows)


@get("/payouts")
async def list_payouts(visitor: Caller, console: Desk, cursor: FromQuery[str | None] = None) -> Response[str]:
    """List payouts, newest first."""
    async with transaction(console.pool) as connection:
        found = await payouts.list_payouts(connection, visitor.merchant.id, check_cursor(cursor), PAGE_SIZE + 1)
    shown, following = cut(found)
    return show(visitor, "payouts.html", "payouts", payouts=shown, following=following, first=cursor is None)


@get("/payouts/{payout_id:str}")
async def show_payout(payout_id: FromPath[str], visitor: Caller, console: Desk) -> Response[str]:
    """Show one payout with its life as a timeline."""
    async with transaction(console.pool) as connection:
        found = await payouts.get_payout(connection, visitor.merchant.id, PayoutId.parse(payout_id))
        moments = await payouts.timeline(connection, visitor.merchant.id, found.id)
        confirmations = await payouts.confirmations(connection, found)
    return show(
        visitor,
        "payout.html",
        "payouts",
        payout=found,
        timeline=words.timeline(moments),
        confirmations=confirmations,
    )


def _status(text: str | None) -> Status | None:
    try:
        return Status(text) if text else None
    except ValueError:
        message = f"no invoice is {text}"
        raise PageNotFoundError(message) from None


HANDLERS: Final[tuple[HTTPRouteHandler, ...]] = (
    list_invoices,
    show_invoice,
    list_deposits,
    show_deposit,
    list_payouts,
    show_payout,
)
