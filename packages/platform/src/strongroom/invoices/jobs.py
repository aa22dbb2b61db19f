"""What moves invoices without a request: deposits' events, and time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from strongroom.infra.clock import Clock
from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.outbox import Handler, OutboxEvent
from strongroom.infra.settings import Settings
from strongroom.invoices import rules, service, store
from strongroom.invoices.model import Payment, PaymentState
from strongroom_core.ids import AddressId, DepositId, MerchantId

BATCH: Final = 200
_INVOICE_PURPOSE: Final = "invoice"


def handlers(settings: Settings, clock: Clock) -> list[tuple[str, Handler]]:
    """List what the worker's dispatcher calls: (topic, handler)."""

    async def on_deposit(connection: Connection, event: OutboxEvent) -> None:
        await note_deposit(connection, settings, event, clock.now())

    return [("deposit.*", on_deposit)]


async def note_deposit(connection: Connection, settings: Settings, event: OutboxEvent, now: datetime) -> None:
    """Make of a deposit's event what it means for the invoice on whose address it came.

    Idempotent, and safe out of order: the event's id is the version of the deposit's word. A deposit on another kind
    of address is none of ours.
    """
    payload = event.payload
    if payload.get("purpose") != _INVOICE_PURPOSE or not payload.get("merchant_id"):
        return
    before = await store.record_payment(
        connection,
        MerchantId(payload["merchant_id"]),
        AddressId(payload["address_id"]),
        payment_of(event.key, payload),
        event.id,
    )
    if before is not None:
        await service.save(connection, settings, [(before, rules.judge(before, now))])


async def expire_due(pool: Pool, settings: Settings, clock: Clock) -> int:
    """Move the invoices whose time has come; the count of them, so that the loop goes on until none is left."""
    now = clock.now()
    async with transaction(pool) as connection:
        due = await store.lock_due(connection, now, BATCH)
        await service.save(connection, settings, [(before, rules.judge(before, now)) for before in due])
    return len(due)


def payment_of(deposit_id: str, payload: Mapping[str, Any]) -> Payment:
    """Read a deposit's payload; its amounts are whole base units as text."""
    return Payment(
        deposit_id=DepositId(deposit_id),
        txid=payload["txid"],
        vout=payload["vout"],
        amount=int(payload["amount"]),
        state=PaymentState(payload["state"]),
        cycle=payload["cycle"],
        confirmations=payload["confirmations"],
        confirmations_needed=payload["confirmations_needed"],
        below_minimum=payload["below_minimum"],
        first_seen_at=datetime.fromisoformat(payload["first_seen_at"]),
    )
