"""Pure decisions about invoices: what is due, and what the money that came makes of one.

The status follows from facts (payments, when each was first seen) and the clock, not from the order in which the facts
were told. All money on an invoice's address is credited to the merchant by `deposits`, whatever is decided here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from strongroom.invoices.errors import IllegalMoveError, InvoiceNotCancellableError, InvoiceNotHeldError
from strongroom.invoices.model import MOVES, Anomaly, Invoice, Judged, Payment, PaymentState, Reason, Status, Step
from strongroom_core.amounts import Amount

MILLION: Final = 1_000_000
# How long a payment that vanished after the invoice's time may take to come back (a reorganised block, a restarted
# node) before the invoice is given up; about a block's spacing.
VANISH_GRACE: Final = timedelta(minutes=10)


def enough_of(due: Amount, tolerance_ppm: int) -> Amount:
    """Give the least that counts as paid: ``due`` less the tolerance, rounded up, and never nothing."""
    slack = due.base_units * tolerance_ppm // MILLION
    return Amount(due.asset, max(1, due.base_units - slack))


def judge(invoice: Invoice, now: datetime, depegged: Collection[str] = ()) -> Judged:
    """Give the invoice as its payments make it at this time, and the arrows it went along.

    ``depegged`` names (CAIP-19) the stablecoins that are not at par: nothing with a locked rate becomes paid in them.

    A move may make the next one due at once (a payment that vanished from a paid invoice whose time is not over yet),
    so this goes on until nothing changes; each status is visited once at most.
    """
    current, steps = invoice, []
    for _ in Status:
        status, reason = _next_status(current, now, depegged)
        if status is current.status:
            break
        following = move(current, status, reason, now)
        steps.append((current.status, following))
        current = following
    settled = _with_sums(current, now, depegged)
    return Judged(settled, tuple(Step(before, at.status, settled.exception, at.reason, now) for before, at in steps))


def move(invoice: Invoice, status: Status, reason: Reason | None, now: datetime) -> Invoice:
    """Move an invoice along an arrow of the table. Raises ``IllegalMoveError``."""
    if status not in MOVES[invoice.status]:
        message = f"an invoice does not go from {invoice.status} to {status}"
        raise IllegalMoveError(message)
    return replace(
        invoice,
        status=status,
        reason=reason,
        processing_at=now if status is Status.PROCESSING else invoice.processing_at,
        vanished_at=None,
        paid_at=now if status is Status.PAID else None,
    )


def cancel(invoice: Invoice, now: datetime) -> Judged:
    """End an invoice that nobody has paid enough for yet. Raises ``InvoiceNotCancellableError``."""
    if invoice.status is not Status.NEW:
        message = f"this invoice is {invoice.status}; only a new one can be cancelled"
        raise InvoiceNotCancellableError(message)
    ended = judge(move(invoice, Status.INVALID, Reason.CANCELLED, now), now).invoice
    step = Step(Status.NEW, Status.INVALID, ended.exception, Reason.CANCELLED, now)
    return Judged(ended, (step,))


def accept(invoice: Invoice, now: datetime) -> Judged:
    """Call an invoice paid that waits for its asset's par: what came is taken for the price. Raises as ``refuse``."""
    return _decided(invoice, Status.PAID, None, now)


def refuse(invoice: Invoice, now: datetime) -> Judged:
    """End an invoice that waits for its asset's par; what came stays the merchant's.

    Raises ``InvoiceNotHeldError`` where it does not wait for that.
    """
    return _decided(invoice, Status.INVALID, Reason.DEPEGGED, now)


def _decided(invoice: Invoice, status: Status, reason: Reason | None, now: datetime) -> Judged:
    if invoice.exception is not Anomaly.DEPEGGED or invoice.status is status or not _is_paid(invoice):
        message = f"this invoice is {invoice.status} and does not wait for its asset to be at par"
        raise InvoiceNotHeldError(message)
    ended = _with_sums(move(invoice, status, reason, now), now, ())
    return Judged(ended, (Step(invoice.status, status, ended.exception, reason, now),))


def event_topic(before: Invoice, after: Invoice) -> str | None:
    """Name the event to tell, if any; new confirmations alone are shown on the page, not sent to the merchant."""
    if after.status is not before.status:
        return "invoice.updated" if after.status is Status.NEW else f"invoice.{after.status}"
    same = (before.exception, before.paid, before.pending) == (after.exception, after.paid, after.pending)
    return None if same else "invoice.updated"


def remaining(invoice: Invoice) -> Amount:
    """Say how much is left to pay for what is due; nothing once enough is on its way."""
    came = invoice.paid + invoice.pending
    return Amount.zero(invoice.asset) if came >= invoice.enough else invoice.due - came


def _next_status(invoice: Invoice, now: datetime, depegged: Collection[str]) -> tuple[Status, Reason | None]:
    seen = _sum(_counted(_in_time(invoice))) >= invoice.enough.base_units
    if invoice.reason in {Reason.CANCELLED, Reason.DEPEGGED}:
        return Status.INVALID, invoice.reason
    if _is_paid(invoice) and not _waits_for_par(invoice, depegged):
        return Status.PAID, None
    if seen:
        return _while_confirming(invoice, now)
    return _without_enough(invoice, now)


def _while_confirming(invoice: Invoice, now: datetime) -> tuple[Status, Reason | None]:
    given_up = invoice.status is Status.INVALID and invoice.reason is Reason.UNCONFIRMED
    if given_up or (invoice.status is Status.PROCESSING and now >= _confirm_until(invoice)):
        return Status.INVALID, Reason.DEPEGGED if _is_paid(invoice) and not given_up else Reason.UNCONFIRMED
    return Status.PROCESSING, None


def _is_paid(invoice: Invoice) -> bool:
    return _sum(_credited(_in_time(invoice))) >= invoice.enough.base_units


def _waits_for_par(invoice: Invoice, depegged: Collection[str]) -> bool:
    """Whether what came is worth less than the rate that it was asked by; what was paid before stays paid."""
    return invoice.rate is not None and invoice.status is not Status.PAID and invoice.asset.id in depegged


def _without_enough(invoice: Invoice, now: datetime) -> tuple[Status, Reason | None]:
    if invoice.status in {Status.EXPIRED, Status.INVALID}:
        return invoice.status, invoice.reason
    if invoice.status is Status.PAID:
        return Status.PROCESSING, None
    if invoice.status is Status.NEW:
        return (Status.EXPIRED if now >= invoice.expires_at else Status.NEW), None
    if now < invoice.expires_at:
        return Status.NEW, None
    gone = invoice.vanished_at is not None and now >= invoice.vanished_at + VANISH_GRACE
    return (Status.INVALID, Reason.PAYMENT_VANISHED) if gone else (Status.PROCESSING, None)


def _with_sums(invoice: Invoice, now: datetime, depegged: Collection[str]) -> Invoice:
    live = _live(invoice)
    paid = _sum(_credited(live))
    vanished = invoice.status is Status.PROCESSING and _sum(_counted(_in_time(invoice))) < invoice.enough.base_units
    settled = replace(
        invoice,
        exception=_exception(invoice, depegged),
        paid=Amount(invoice.asset, paid),
        pending=Amount(invoice.asset, _sum(live) - paid),
        vanished_at=(invoice.vanished_at or now) if vanished else None,
    )
    return replace(settled, due_at=_due_at(settled))


def _due_at(invoice: Invoice) -> datetime | None:
    if invoice.status is Status.NEW:
        return invoice.expires_at
    if invoice.status is not Status.PROCESSING:
        return None
    return invoice.vanished_at + VANISH_GRACE if invoice.vanished_at else _confirm_until(invoice)


def _confirm_until(invoice: Invoice) -> datetime:
    start = max(invoice.expires_at, invoice.processing_at or invoice.expires_at)
    return start + timedelta(seconds=invoice.monitor_seconds)


def _exception(invoice: Invoice, depegged: Collection[str]) -> Anomaly:
    if invoice.reason is Reason.DEPEGGED or (_is_paid(invoice) and _waits_for_par(invoice, depegged)):
        return Anomaly.DEPEGGED
    found = _about_its_asset(invoice)
    wrong = any(payment.asset != invoice.asset for payment in _not_dropped(invoice.payments))
    return Anomaly.WRONG_ASSET if wrong and found in {Anomaly.NONE, Anomaly.UNDERPAID} else found


def _about_its_asset(invoice: Invoice) -> Anomaly:
    if not _live(invoice):
        return Anomaly.NONE
    if invoice.status in {Status.PROCESSING, Status.PAID}:
        return _too_much(invoice)
    if invoice.status is not Status.NEW and _is_late(invoice):
        return Anomaly.LATE
    return Anomaly.UNDERPAID


def _too_much(invoice: Invoice) -> Anomaly:
    counted = _counted(_live(invoice))
    if _sum(counted) < invoice.enough.base_units:
        return Anomaly.UNDERPAID
    if sum(payment.amount >= invoice.enough.base_units for payment in counted) > 1:
        return Anomaly.PAID_TWICE
    return Anomaly.OVERPAID if _sum(counted) > invoice.due.base_units else Anomaly.NONE


def _is_late(invoice: Invoice) -> bool:
    in_time = _in_time(invoice)
    enough = _sum(_counted(in_time)) >= invoice.enough.base_units
    return enough or invoice.reason is Reason.CANCELLED or len(in_time) < len(_live(invoice))


def _not_dropped(payments: Sequence[Payment]) -> list[Payment]:
    return [payment for payment in payments if payment.state is not PaymentState.DROPPED]


def _live(invoice: Invoice) -> list[Payment]:
    """Give what counts towards the invoice: what is there in its own asset; base units of another are other units."""
    return [payment for payment in _not_dropped(invoice.payments) if payment.asset == invoice.asset]


def _in_time(invoice: Invoice) -> list[Payment]:
    return [payment for payment in _live(invoice) if payment.first_seen_at <= invoice.expires_at]


def _credited(payments: Sequence[Payment]) -> list[Payment]:
    return [payment for payment in payments if payment.state is PaymentState.CREDITED]


def _counted(payments: Sequence[Payment]) -> list[Payment]:
    """Leave out dust that waits below the minimum: it is the merchant's only once the sum reaches it."""
    return [payment for payment in payments if payment.state is PaymentState.CREDITED or not payment.below_minimum]


def _sum(payments: Sequence[Payment]) -> int:
    return sum(payment.amount for payment in payments)
