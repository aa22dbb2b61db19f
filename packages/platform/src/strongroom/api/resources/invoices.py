"""Invoices: ask to be paid, watch it, take it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from litestar import Router, get, post
from litestar.params import Parameter

from strongroom.api import schemas, views
from strongroom.api.access import Caller
from strongroom.api.idempotency import IdempotencyKey
from strongroom.api.paging import Cursor, Limit
from strongroom.api.problems import REFUSALS
from strongroom.api.state import Services
from strongroom.attestations import service as attestations
from strongroom.attestations.model import Attestation
from strongroom.infra.database import Connection, transaction
from strongroom.invoices import service
from strongroom.invoices.model import Invoice, Status
from strongroom_core.ids import InvoiceId

StatusFilter = Annotated[Status | None, Parameter(query="status", required=False, description="Only these")]


@post("/", opt={"scope": "invoices"}, summary="Make an invoice", responses=REFUSALS)
async def create_invoice(
    data: schemas.NewInvoice, caller: Caller, services: Services, idempotency_key: IdempotencyKey = None
) -> schemas.Invoice:
    """Make an invoice with an address of its own and a locked rate; the same Idempotency-Key gives the same invoice."""
    wanted = service.read_request(
        services.settings,
        caller.merchant_id,
        amount=data.amount,
        currency=data.currency,
        asset=data.asset,
        reference=data.reference,
        description=data.description,
        expires_in_seconds=data.expires_in_seconds,
        redirect_url=data.redirect_url,
        metadata=data.metadata,
        idempotency_key=idempotency_key,
    )
    made = await services.invoices.create(wanted)
    return views.invoice(made.view, services.settings.deployment, made.words)


@get("/", opt={"scope": "read"}, summary="List invoices", responses=REFUSALS)
async def list_invoices(
    caller: Caller, services: Services, cursor: Cursor = None, limit: Limit = 50, status: StatusFilter = None
) -> schemas.InvoicePage:
    """Give invoices, newest first."""
    async with transaction(services.pool) as connection:
        found, following = await service.list_invoices(connection, caller.merchant_id, cursor, limit, status)
        return schemas.InvoicePage(data=await _show(connection, services, found), next_cursor=following)


@get("/{invoice_id:str}", opt={"scope": "read"}, summary="Get an invoice", responses=REFUSALS)
async def get_invoice(invoice_id: str, caller: Caller, services: Services) -> schemas.Invoice:
    """Give one invoice and what came for it."""
    async with transaction(services.pool) as connection:
        found = await service.get_invoice(connection, caller.merchant_id, InvoiceId(invoice_id))
        return (await _show(connection, services, [found]))[0]


@post(
    "/{invoice_id:str}/cancel",
    opt={"scope": "invoices"},
    status_code=200,
    summary="Cancel an invoice",
    responses=REFUSALS,
)
async def cancel_invoice(invoice_id: str, caller: Caller, services: Services) -> schemas.Invoice:
    """Take a new invoice back; what is paid to it all the same is credited and marked late."""
    async with transaction(services.pool) as connection:
        cancelled = await service.cancel_invoice(
            connection, services.settings, caller.merchant_id, InvoiceId(invoice_id), services.now()
        )
        return (await _show(connection, services, [cancelled]))[0]


async def _show(connection: Connection, services: Services, found: Sequence[Invoice]) -> list[schemas.Invoice]:
    """Show invoices with what the signers say of their addresses by now."""
    words = await attestations.of_addresses(connection, [item.address_id for item in found])
    return [_shown(services, item, words[item.address_id]) for item in found]


def _shown(services: Services, invoice: Invoice, words: Sequence[Attestation]) -> schemas.Invoice:
    settings = services.settings
    return views.invoice(service.merchant_view(invoice, settings), settings.deployment, words)


router = Router(
    "/invoices", route_handlers=[create_invoice, list_invoices, get_invoice, cancel_invoice], tags=["Invoices"]
)
