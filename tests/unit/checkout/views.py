"""Public views of invoices, made by the invoices' own room from invoices that its own rules judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from strongroom.invoices.model import Anomaly, Invoice, Payment, PaymentState, PublicInvoice, Reason, Status
from strongroom.invoices.service import public_view
from strongroom_core.amounts import Amount
from strongroom_core.assets import REGTEST_BTC
from strongroom_core.ids import AddressId, DepositId, InvoiceId, MerchantId

AT = datetime(2030, 1, 1, 12, tzinfo=UTC)
DUE = 100_000


def btc(base_units: int) -> Amount:
    return Amount(REGTEST_BTC, base_units)


def payment(
    state: str = "seen", amount: int = DUE, confirmations: int = 0, needed: int | None = 3, **more: Any
) -> Payment:
    fields: dict[str, Any] = {
        "deposit_id": DepositId.new(),
        "txid": "ab" * 32,
        "vout": 0,
        "asset": REGTEST_BTC,
        "cycle": 1,
        "below_minimum": False,
        "first_seen_at": AT,
    }
    return Payment(
        amount=amount,
        state=PaymentState(state),
        confirmations=confirmations,
        confirmations_needed=needed,
        **(fields | more),
    )


def invoice(status: str = "new", exception: str = "none", *payments: Payment, **more: Any) -> Invoice:
    live = [item for item in payments if item.state is not PaymentState.DROPPED and item.asset == REGTEST_BTC]
    paid = sum(item.amount for item in live if item.state is PaymentState.CREDITED)
    reason = more.pop("reason", None)
    made = Invoice(
        id=InvoiceId.new(),
        merchant_id=MerchantId.new(),
        status=Status(status),
        exception=Anomaly(exception),
        reason=Reason(reason) if reason else None,
        price=btc(DUE),
        due=btc(DUE),
        enough=btc(DUE - 500),
        paid=btc(paid),
        pending=btc(sum(item.amount for item in live) - paid),
        rate=None,
        address_id=AddressId.new(),
        address="bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202",
        reference="secret-reference",
        description=None,
        redirect_url=None,
        metadata={"secret": "metadata"},
        created_at=AT,
        expires_at=AT + timedelta(minutes=15),
        monitor_seconds=86_400,
        processing_at=None,
        vanished_at=None,
        paid_at=None,
        due_at=None,
        payments=tuple(payments),
    )
    return replace(made, **more)


def view(status: str = "new", exception: str = "none", *payments: Payment, **more: Any) -> dict[str, Any]:
    return public_view(PublicInvoice(invoice(status, exception, *payments, **more), "Shop"))
