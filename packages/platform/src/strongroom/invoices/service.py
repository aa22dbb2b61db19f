"""Use cases of invoices. Every function runs on the caller's open transaction and is narrowed to one merchant.

``create_invoices`` makes many in a few statements; ``InvoiceWriter`` gathers concurrent callers for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from strongroom.infra import outbox
from strongroom.infra.database import Connection
from strongroom.infra.settings import Settings
from strongroom.invoices import creation, requests, rules, store, views, writer
from strongroom.invoices.errors import (
    InvoiceNotFoundError,
)
from strongroom.invoices.model import Invoice, Judged, NewInvoice, PublicInvoice, Status, Step
from strongroom_core.ids import InvalidIdError, InvoiceId, MerchantId

_NOT_FOUND: Final = "there is no invoice of that id; take it from the answer that made it"
# Making them has files of its own; others find it here.
InvoiceDesk = creation.InvoiceDesk
InvoiceWriter = writer.InvoiceWriter
create_invoices = creation.create_invoices


def read_request(
    settings: Settings,
    merchant_id: MerchantId,
    *,
    amount: str,
    currency: str,
    expires_in_seconds: int | None = None,
    asset: str | None = None,
    reference: str | None = None,
    description: str | None = None,
    redirect_url: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> NewInvoice:
    """Check what a merchant asks for; pure. ``amount`` is decimal text of ``currency``.

    ``asset`` is the code or CAIP-19 id of what it is paid in. Raises ``InvalidInvoiceError`` (``invoice-invalid``),
    ``InvoiceAmountError`` (``invoice-amount-out-of-range``), ``InvalidAmountError`` (``amount-invalid``),
    ``UnknownAssetError`` (``asset-unknown``), ``AmbiguousAssetError`` (``asset-ambiguous``).
    """
    seconds = settings.invoices.expires_in_seconds if expires_in_seconds is None else expires_in_seconds
    return requests.read_request(
        settings.open_assets,
        merchant_id,
        amount=amount,
        currency=currency,
        expires_in_seconds=seconds,
        asset=asset,
        reference=reference,
        description=description,
        redirect_url=redirect_url,
        metadata=metadata,
        idempotency_key=idempotency_key,
    )


async def get_invoice(connection: Connection, merchant_id: MerchantId, invoice_id: InvoiceId) -> Invoice:
    """Find one of a merchant's invoices. Raises ``InvoiceNotFoundError``, for another merchant's too."""
    return _found(await store.invoice(connection, merchant_id, _known_form(invoice_id)))


async def public_invoice(connection: Connection, invoice_id: InvoiceId) -> PublicInvoice:
    """Find an invoice for its payer, who knows the id alone. Raises ``InvoiceNotFoundError``."""
    public = await store.public_invoice(connection, _known_form(invoice_id))
    if public is None:
        raise InvoiceNotFoundError(_NOT_FOUND)
    return public


async def list_invoices(
    connection: Connection,
    merchant_id: MerchantId,
    cursor: str | None = None,
    limit: int = 50,
    status: Status | None = None,
) -> tuple[list[Invoice], str | None]:
    """List a merchant's invoices, newest first, and the cursor of the next page if there is one."""
    found = await store.invoices(connection, merchant_id, cursor=cursor, limit=limit + 1, status=status)
    page = found[:limit]
    return page, page[-1].id if len(found) > limit else None


async def invoice_history(connection: Connection, merchant_id: MerchantId, invoice_id: InvoiceId) -> list[Step]:
    """List the arrows that an invoice went along, oldest first."""
    return await store.history(connection, merchant_id, invoice_id)


async def cancel_invoice(
    connection: Connection, settings: Settings, merchant_id: MerchantId, invoice_id: InvoiceId, now: datetime
) -> Invoice:
    """End a new invoice; what is paid on its address later is credited and marked late.

    Raises ``InvoiceNotFoundError``, ``InvoiceNotCancellableError``. A cancelled one is given back as it is.
    """
    before = _found(await store.locked_invoice(connection, merchant_id, _known_form(invoice_id)))
    if before.status is Status.INVALID:
        return before
    decision = rules.cancel(before, now)
    await save(connection, settings, [(before, decision)])
    return decision.invoice


async def decide_held(
    connection: Connection, settings: Settings, invoice_id: InvoiceId, now: datetime, *, paid: bool
) -> Invoice:
    """Decide for the operator on an invoice that waits for its stablecoin's par: call it ``paid``, or end it.

    The money is the merchant's in either case. Raises ``InvoiceNotFoundError``, ``InvoiceNotHeldError``
    (``invoice-not-held``).
    """
    found = (await public_invoice(connection, invoice_id)).invoice
    before = _found(await store.locked_invoice(connection, found.merchant_id, found.id))
    decision = rules.accept(before, now) if paid else rules.refuse(before, now)
    await save(connection, settings, [(before, decision)])
    return decision.invoice


async def save(connection: Connection, settings: Settings, changes: Sequence[tuple[Invoice, Judged]]) -> None:
    """Write decisions on invoices (before, after) and tell their merchants what changed for them."""
    changed = [(before, after) for before, after in changes if before != after.invoice]
    if not changed:
        return
    await store.save(connection, [after for _, after in changed])
    url = settings.api.public_url
    events = [
        (topic, after.invoice.id, views.merchant_view(after.invoice, url))
        for before, after in changed
        if (topic := rules.event_topic(before, after.invoice))
    ]
    await outbox.publish_many(connection, events)


def merchant_view(invoice: Invoice, settings: Settings) -> dict[str, Any]:
    """Show an invoice to its merchant, as JSON values: what the API answers and webhooks carry."""
    return views.merchant_view(invoice, settings.api.public_url)


def public_view(public: PublicInvoice) -> dict[str, Any]:
    """Show an invoice to its payer, as JSON values."""
    return views.public_view(public)


def _known_form(text: str) -> InvoiceId:
    """Check an id that came from outside: a text that cannot be one is not found, like one that does not exist."""
    try:
        return InvoiceId.parse(text)
    except InvalidIdError:
        raise InvoiceNotFoundError(_NOT_FOUND) from None


def _found(invoice: Invoice | None) -> Invoice:
    if invoice is None:
        raise InvoiceNotFoundError(_NOT_FOUND)
    return invoice
