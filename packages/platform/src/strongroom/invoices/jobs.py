"""What moves invoices without a request: deposits' events, and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from strongroom.infra.clock import Clock
from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.outbox import Handler, OutboxEvent, Sink
from strongroom.infra.settings import Settings
from strongroom.invoices import rules, service, store
from strongroom.invoices.model import Invoice, Payment, PaymentState
from strongroom.rates import service as rates
from strongroom_core.assets import asset_by_id
from strongroom_core.ids import DepositId

BATCH: Final = 200
DEPOSITS: Final = "deposit.*"
_INVOICE_PURPOSE: Final = "invoice"


def deposit_sink(settings: Settings, clock: Clock) -> Sink:
    """Make what the worker's dispatcher gives deposits' events to, a batch at a time."""

    async def write(connection: Connection, events: Sequence[OutboxEvent]) -> None:
        await note_deposits(connection, settings, events, clock.now())

    return Sink((DEPOSITS,), lambda event: event, write)


async def note_deposits(
    connection: Connection, settings: Settings, events: Sequence[OutboxEvent], now: datetime
) -> None:
    """Make of deposits' events what they mean for the invoices on whose addresses they came.

    Idempotent, and safe out of order: the event's id is the version of the deposit's word. Several words on one invoice
    are judged one after the other, so that no arrow is left out.
    """
    waiting = [event for event in events if _is_for_an_invoice(event)]
    while waiting:
        turn, waiting = _one_per_address(waiting)
        told = [
            (event.payload["merchant_id"], event.payload["address_id"], payment_of(event.key, event.payload), event.id)
            for event in turn
        ]
        before = await store.record_payments(connection, told)
        await _judge(connection, settings, before, now)


def _is_for_an_invoice(event: OutboxEvent) -> bool:
    return event.payload.get("purpose") == _INVOICE_PURPOSE and bool(event.payload.get("merchant_id"))


def _one_per_address(events: Sequence[OutboxEvent]) -> tuple[list[OutboxEvent], list[OutboxEvent]]:
    """Split off the first event of every address; the rest keeps its order."""
    first: dict[str, OutboxEvent] = {}
    rest = [event for event in events if first.setdefault(event.payload["address_id"], event) is not event]
    return list(first.values()), rest


async def expire_due(pool: Pool, settings: Settings, clock: Clock) -> int:
    """Move the invoices whose time has come; the count of them, so that the loop goes on until none is left."""
    now = clock.now()
    async with transaction(pool) as connection:
        due = await store.lock_due(connection, now, BATCH)
        await _judge(connection, settings, due, now)
    return len(due)


def handlers(clock: Clock) -> list[tuple[str, Handler]]:
    """Say what the worker's dispatcher tells this room beside deposits: that an asset is at its par again."""

    async def at_par(connection: Connection, event: OutboxEvent) -> None:
        await store.make_due(connection, event.payload["asset_id"], clock.now())

    return [(rates.AT_PAR, at_par)]


async def _judge(connection: Connection, settings: Settings, invoices: Sequence[Invoice], now: datetime) -> None:
    """Judge invoices by what came, the time and the par of their assets, and write what changed."""
    guarded = bool(rates.guarded(settings)) and any(invoice.rate for invoice in invoices)
    depegged = await rates.not_at_par(connection, hold=True) if guarded else ()
    await service.save(connection, settings, [(before, rules.judge(before, now, depegged)) for before in invoices])


def payment_of(deposit_id: str, payload: Mapping[str, Any]) -> Payment:
    """Read a deposit's payload; its amounts are whole base units of its asset as text."""
    return Payment(
        deposit_id=DepositId(deposit_id),
        txid=payload["txid"],
        vout=payload["vout"],
        asset=asset_by_id(payload["asset"]),
        amount=int(payload["amount"]),
        state=PaymentState(payload["state"]),
        cycle=payload["cycle"],
        confirmations=payload["confirmations"],
        confirmations_needed=payload["confirmations_needed"],
        below_minimum=payload["below_minimum"],
        first_seen_at=datetime.fromisoformat(payload["first_seen_at"]),
    )
