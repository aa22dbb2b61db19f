"""All SQL of invoices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import msgspec
from psycopg import DataError, IntegrityError
from psycopg.errors import DeadlockDetected

from strongroom.infra.database import Connection, load_queries
from strongroom.invoices.model import (
    Anomaly,
    Invoice,
    Judged,
    LockedRate,
    NewInvoice,
    Payment,
    PaymentState,
    Priced,
    PublicInvoice,
    Reason,
    Status,
    Step,
)
from strongroom_core.amounts import Amount
from strongroom_core.assets import asset_by_id
from strongroom_core.errors import StrongroomError
from strongroom_core.ids import AddressId, DepositId, InvoiceId, MerchantId

_SQL = load_queries(__package__ or "")


@dataclass(frozen=True, slots=True)
class Draft:
    """An invoice about to be inserted."""

    invoice: Invoice
    request: NewInvoice


def draft(
    request: NewInvoice,
    priced: Priced,
    *,
    invoice_id: InvoiceId,
    address_id: AddressId,
    address: str,
    monitor_seconds: int,
    now: datetime,
) -> Draft:
    """Put a fresh invoice together, as the insert will make it."""
    expires_at = now + timedelta(seconds=request.expires_in_seconds)
    zero = Amount.zero(request.asset)
    invoice = Invoice(
        id=invoice_id,
        merchant_id=request.merchant_id,
        status=Status.NEW,
        exception=Anomaly.NONE,
        reason=None,
        price=request.price,
        due=priced.due,
        enough=priced.enough,
        paid=zero,
        pending=zero,
        rate=priced.rate,
        address_id=address_id,
        address=address,
        reference=request.reference,
        description=request.description,
        redirect_url=request.redirect_url,
        metadata=request.metadata,
        created_at=now,
        expires_at=expires_at,
        monitor_seconds=monitor_seconds,
        processing_at=None,
        vanished_at=None,
        paid_at=None,
        due_at=expires_at,
        payments=(),
    )
    return Draft(invoice, request)


async def insert_invoices(connection: Connection, drafts: Sequence[Draft]) -> set[InvoiceId]:
    """Insert a batch in one statement; the ids of those whose idempotency key was free."""
    rows = _json([_insert_row(one) for one in drafts])
    found = await (await connection.execute(_SQL["insert_invoices"], {"rows": rows})).fetchall()
    return {InvoiceId(row["id"]) for row in found}


async def stored_by_keys(
    connection: Connection, keys: Sequence[tuple[MerchantId, str]]
) -> dict[tuple[str, str], tuple[Invoice, bytes]]:
    """Read the invoices that these idempotency keys made, with the digests of their requests."""
    values = {"merchants": [merchant for merchant, _ in keys], "keys": [key for _, key in keys]}
    rows = await (await connection.execute(_SQL["stored_by_keys"], values)).fetchall()
    return {(row["merchant_id"], row["idempotency_key"]): (_invoice(row), bytes(row["request_digest"])) for row in rows}


async def invoice(connection: Connection, merchant_id: MerchantId, invoice_id: InvoiceId) -> Invoice | None:
    """Read one of a merchant's invoices."""
    row = await _one(connection, "invoice", merchant_id=merchant_id, id=invoice_id)
    return _invoice(row) if row else None


async def locked_invoice(connection: Connection, merchant_id: MerchantId, invoice_id: InvoiceId) -> Invoice | None:
    """Read one of a merchant's invoices, which nobody else changes until this transaction ends."""
    if await _one(connection, "lock_invoice", merchant_id=merchant_id, id=invoice_id) is None:
        return None
    return await invoice(connection, merchant_id, invoice_id)


async def public_invoice(connection: Connection, invoice_id: InvoiceId) -> PublicInvoice | None:
    """Read an invoice by its id alone, for its payer."""
    row = await _one(connection, "public_invoice", id=invoice_id)
    return PublicInvoice(_invoice(row), row["merchant_name"]) if row else None


async def invoices(
    connection: Connection, merchant_id: MerchantId, *, cursor: str | None, limit: int, status: Status | None
) -> list[Invoice]:
    """Read a merchant's invoices, newest first, older than ``cursor``."""
    values = {"merchant_id": merchant_id, "cursor": cursor, "limit": limit, "status": status}
    return [_invoice(row) for row in await (await connection.execute(_SQL["invoices"], values)).fetchall()]


async def history(connection: Connection, merchant_id: MerchantId, invoice_id: InvoiceId) -> list[Step]:
    """Read the arrows that an invoice went along."""
    values = {"merchant_id": merchant_id, "id": invoice_id}
    rows = await (await connection.execute(_SQL["history"], values)).fetchall()
    return [_step(row) for row in rows]


async def record_payments(connection: Connection, told: Sequence[tuple[str, str, Payment, int]]) -> list[Invoice]:
    """Note deposits' newest words (merchant, address, payment, event id), one for an address, and lock their invoices.

    No invoice comes back where an address has none, or where the word is not newer than what is known.
    """
    values = {
        "merchants": [merchant_id for merchant_id, _, _, _ in told],
        "addresses": [address_id for _, address_id, _, _ in told],
        "payments": [_json(_payment_row(payment) | {"event_id": event_id}) for _, _, payment, event_id in told],
    }
    return [_invoice(row) for row in await (await connection.execute(_SQL["record_payments"], values)).fetchall()]


async def lock_due(connection: Connection, now: datetime, limit: int) -> list[Invoice]:
    """Read the invoices that time moves now, locked; those that somebody else holds wait for the next turn."""
    rows = await (await connection.execute(_SQL["lock_due"], {"now": now, "limit": limit})).fetchall()
    if not rows:
        return []
    values = {"merchants": [row["merchant_id"] for row in rows], "ids": [row["id"] for row in rows]}
    return [_invoice(row) for row in await (await connection.execute(_SQL["invoices_of"], values)).fetchall()]


async def make_due(connection: Connection, asset_id: str, now: datetime) -> None:
    """Let the clock look at once at the invoices that wait for an asset's par."""
    await connection.execute(_SQL["make_due"], {"asset": asset_id, "now": now})


async def save(connection: Connection, decisions: Sequence[Judged]) -> None:
    """Write what decisions changed, with their arrows, in one statement; open pages are woken at commit."""
    steps = [
        {"merchant_id": one.invoice.merchant_id, "invoice_id": one.invoice.id, **_step_row(step)}
        for one in decisions
        for step in one.steps
    ]
    changes = [_change_row(one.invoice) for one in decisions]
    await connection.execute(_SQL["save"], {"changes": _json(changes), "steps": _json(steps)})


def blames_a_request(error: Exception) -> bool:
    """Whether a batch failed for what one request says or meets, so that the others may well succeed on their own."""
    return isinstance(error, StrongroomError | DataError | IntegrityError | DeadlockDetected)


async def _one(connection: Connection, query: str, **values: object) -> Mapping[str, Any] | None:
    return await (await connection.execute(_SQL[query], values)).fetchone()


def _json(value: object) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()  # the hook is for ids, which are a kind of text


def _insert_row(one: Draft) -> dict[str, Any]:
    invoice, rate = one.invoice, one.invoice.rate
    return {
        "merchant_id": invoice.merchant_id,
        "id": invoice.id,
        "currency": invoice.price.asset.id,
        "price": str(invoice.price.base_units),
        "asset": invoice.asset.id,
        "amount_due": str(invoice.due.base_units),
        "amount_enough": str(invoice.enough.base_units),
        "rate_numerator": str(rate.price.numerator) if rate else None,
        "rate_denominator": str(rate.price.denominator) if rate else None,
        "rate_sources": rate.sources if rate else (),
        "rate_at": rate.at if rate else None,
        "spread_ppm": rate.spread_ppm if rate else 0,
        "address_id": invoice.address_id,
        "address": invoice.address,
        "reference": invoice.reference,
        "description": invoice.description,
        "redirect_url": invoice.redirect_url,
        "metadata": dict(invoice.metadata),
        "created_at": invoice.created_at,
        "expires_at": invoice.expires_at,
        "monitor_seconds": invoice.monitor_seconds,
        "idempotency_key": one.request.idempotency_key,
        "request_digest": one.request.digest.hex(),
    }


def _change_row(changed: Invoice) -> dict[str, Any]:
    return {
        "merchant_id": changed.merchant_id,
        "id": changed.id,
        "status": changed.status,
        "exception": changed.exception,
        "reason": changed.reason,
        "amount_paid": str(changed.paid.base_units),
        "amount_pending": str(changed.pending.base_units),
        "processing_at": changed.processing_at,
        "vanished_at": changed.vanished_at,
        "paid_at": changed.paid_at,
        "due_at": changed.due_at,
    }


def _payment_row(payment: Payment) -> dict[str, Any]:
    return {
        "deposit_id": payment.deposit_id,
        "txid": payment.txid,
        "vout": payment.vout,
        "asset": payment.asset.id,
        "amount": str(payment.amount),
        "state": payment.state,
        "cycle": payment.cycle,
        "confirmations": payment.confirmations,
        "confirmations_needed": payment.confirmations_needed,
        "below_minimum": payment.below_minimum,
        "first_seen_at": payment.first_seen_at,
    }


def _step_row(step: Step) -> dict[str, Any]:
    return {
        "from_status": step.from_status,
        "to_status": step.to_status,
        "exception": step.exception,
        "reason": step.reason,
        "at": step.at,
    }


def _step(row: Mapping[str, Any]) -> Step:
    reason = Reason(row["reason"]) if row["reason"] else None
    return Step(Status(row["from_status"]), Status(row["to_status"]), Anomaly(row["exception"]), reason, row["at"])


def _invoice(row: Mapping[str, Any]) -> Invoice:
    asset = asset_by_id(row["asset"])
    return Invoice(
        id=InvoiceId(row["id"]),
        merchant_id=MerchantId(row["merchant_id"]),
        status=Status(row["status"]),
        exception=Anomaly(row["exception"]),
        reason=Reason(row["reason"]) if row["reason"] else None,
        price=Amount(asset_by_id(row["currency"]), row["price"]),
        due=Amount(asset, row["amount_due"]),
        enough=Amount(asset, row["amount_enough"]),
        paid=Amount(asset, row["amount_paid"]),
        pending=Amount(asset, row["amount_pending"]),
        rate=_rate(row),
        address_id=AddressId(row["address_id"]),
        address=row["address"],
        reference=row["reference"],
        description=row["description"],
        redirect_url=row["redirect_url"],
        metadata=row["metadata"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        monitor_seconds=row["monitor_seconds"],
        processing_at=row["processing_at"],
        vanished_at=row["vanished_at"],
        paid_at=row["paid_at"],
        due_at=row["due_at"],
        payments=tuple(_payment(payment) for payment in row["payments"]),
    )


def _rate(row: Mapping[str, Any]) -> LockedRate | None:
    if row["rate_numerator"] is None:
        return None
    price = Fraction(row["rate_numerator"], row["rate_denominator"])
    return LockedRate(price, tuple(row["rate_sources"]), row["rate_at"], row["spread_ppm"])


def _payment(row: Mapping[str, Any]) -> Payment:
    return Payment(
        deposit_id=DepositId(row["deposit_id"]),
        txid=row["txid"],
        vout=row["vout"],
        asset=asset_by_id(row["asset"]),
        amount=int(row["amount"]),
        state=PaymentState(row["state"]),
        cycle=row["cycle"],
        confirmations=row["confirmations"],
        confirmations_needed=row["confirmations_needed"],
        below_minimum=row["below_minimum"],
        first_seen_at=datetime.fromisoformat(row["first_seen_at"]),
    )
