"""Making invoices: priced, given an address, written and told of, many at a time in a few statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from strongroom.infra import outbox
from strongroom.infra.database import Connection
from strongroom.infra.settings import Settings
from strongroom.infra.stops import Stop, stopped
from strongroom.invoices import requests, store, views
from strongroom.invoices.errors import IdempotencyConflictError, InvoicesStoppedError
from strongroom.invoices.model import Invoice, Made, NewInvoice, Priced
from strongroom.rates.service import RateBook
from strongroom.wallets import service as wallets
from strongroom.wallets.model import AddressRequest, Purpose
from strongroom_core.errors import StrongroomError
from strongroom_core.ids import InvoiceId, MerchantId

Answer = Made | StrongroomError


@dataclass(frozen=True, slots=True)
class InvoiceDesk:
    """What invoices are made with: the settings, and the book that prices them."""

    settings: Settings
    book: RateBook

    def price(self, request: NewInvoice, now: datetime) -> Priced:
        """Say what is due for a request. Raises ``RateUnavailableError`` and its kinds, ``InvoiceAmountError``."""
        chain = self.settings.chain(request.asset.chain_id)
        return requests.price(
            request,
            self.book,
            spread_ppm=self.settings.rates.spread_ppm,
            tolerance_ppm=self.settings.invoices.tolerance_ppm,
            minimum=max(chain.asset_settings(request.asset.id).minimum_deposit, chain.relay_minimum),
            now=now,
        )

    def made(self, invoice: Invoice) -> Made:
        """Give an invoice as its maker is answered, before the signers' words."""
        return Made(invoice, views.merchant_view(invoice, self.settings.api.public_url))


async def create_invoices(
    connection: Connection, desk: InvoiceDesk, wanted: Sequence[NewInvoice], now: datetime
) -> list[Answer]:
    """Make invoices, an answer for each request in its place: the invoice, or the error that refuses that one alone.

    A request whose idempotency key already made an invoice gets that one, as it is now, if it is the same request;
    else ``IdempotencyConflictError``. Publishes ``invoice.created`` for each new one.
    """
    known = await _stored(connection, wanted)
    answers: dict[int, Answer] = {}
    fresh: dict[int, tuple[NewInvoice, Priced]] = {}
    first: dict[tuple[str, str], int] = {}
    for place, request in enumerate(wanted):
        key = _key(request)
        if key in known:
            answers[place] = _replay(desk, request, known[key])
        elif key is None or first.setdefault(key, place) == place:
            _price_into(desk, place, request, now, fresh, answers)
    answers |= await _insert(connection, desk, fresh, now)
    if len(answers) < len(wanted):
        answers |= await _answer_rest(connection, desk, wanted, answers, first)
    return [answers[place] for place in range(len(wanted))]


async def _stored(connection: Connection, wanted: Sequence[NewInvoice]) -> dict[tuple[str, str], tuple[Invoice, bytes]]:
    keys = {key for request in wanted if (key := _key(request))}
    return await store.stored_by_keys(connection, sorted(keys)) if keys else {}


def _key(request: NewInvoice) -> tuple[MerchantId, str] | None:
    return (request.merchant_id, request.idempotency_key) if request.idempotency_key else None


def _replay(desk: InvoiceDesk, request: NewInvoice, stored: tuple[Invoice, bytes]) -> Answer:
    invoice, digest = stored
    if digest == request.digest:
        return desk.made(invoice)
    return IdempotencyConflictError("this idempotency key was used for another request; use a new key for a new one")


def _price_into(
    desk: InvoiceDesk,
    place: int,
    request: NewInvoice,
    now: datetime,
    fresh: dict[int, tuple[NewInvoice, Priced]],
    answers: dict[int, Answer],
) -> None:
    try:
        fresh[place] = (request, desk.price(request, now))
    except StrongroomError as refusal:
        answers[place] = refusal


async def _insert(
    connection: Connection, desk: InvoiceDesk, fresh: Mapping[int, tuple[NewInvoice, Priced]], now: datetime
) -> dict[int, Answer]:
    """Insert what is fresh; places whose key was taken by somebody else meanwhile are missing from the answer."""
    reason = await stopped(connection, Stop.INVOICES) if fresh else None
    if reason is not None:
        return dict.fromkeys(fresh, InvoicesStoppedError(f"new invoices are stopped: {reason}"))
    if not fresh:
        return {}
    drafts = await _draft(connection, desk, fresh, now)
    # Two batches that share idempotency keys must wait for each other in one order.
    ordered = sorted(drafts.values(), key=lambda one: (one.request.merchant_id, one.request.idempotency_key or ""))
    inserted = await store.insert_invoices(connection, ordered)
    made = {place: desk.made(one.invoice) for place, one in drafts.items() if one.invoice.id in inserted}
    events = [("invoice.created", one.invoice.id, dict(one.view)) for one in made.values()]
    await outbox.publish_many(connection, events)
    return dict(made)


async def _draft(
    connection: Connection, desk: InvoiceDesk, fresh: Mapping[int, tuple[NewInvoice, Priced]], now: datetime
) -> dict[int, store.Draft]:
    monitor = desk.settings.invoices.monitor_seconds
    ids = {place: InvoiceId.new() for place in fresh}
    wishes = [
        AddressRequest(
            chain_id=request.asset.chain_id,
            merchant_id=request.merchant_id,
            purpose=Purpose.INVOICE,
            reference=ids[place],
            asset=request.asset.id,
            expected=priced.due.base_units,
            expected_until=now + timedelta(seconds=request.expires_in_seconds + monitor),
        )
        for place, (request, priced) in fresh.items()
    ]
    addresses = await wallets.hand_out_many(connection, wishes)
    return {
        place: store.draft(
            request,
            priced,
            invoice_id=ids[place],
            address_id=address.id,
            address=address.address,
            monitor_seconds=monitor,
            now=now,
        )
        for (place, (request, priced)), address in zip(fresh.items(), addresses, strict=True)
    }


async def _answer_rest(
    connection: Connection,
    desk: InvoiceDesk,
    wanted: Sequence[NewInvoice],
    answers: Mapping[int, Answer],
    first: Mapping[tuple[str, str], int],
) -> dict[int, Answer]:
    """Answer repeats within the batch, and those whose key somebody else's transaction took meanwhile."""
    missing = [place for place in range(len(wanted)) if place not in answers]
    known = await _stored(connection, [wanted[place] for place in missing])
    rest: dict[int, Answer] = {}
    for place in missing:
        key = _key(wanted[place])
        if key in known:
            rest[place] = _replay(desk, wanted[place], known[key])
        elif key is not None:
            rest[place] = answers[first[key]]  # the first of this key was refused, and so is its repeat
    return rest
