"""The REST API ``/v1`` as typed calls; a failure is an ``ApiError``, an ``UnreachableError`` or a ``ProtocolError``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, cast
from urllib.parse import quote

from strongroom_client.errors import ProtocolError
from strongroom_client.pins import Pins
from strongroom_client.shapes import Balance, DepositAddress, Invoice, Page, Payout, Record, WebhookEndpoint
from strongroom_client.signing import signed_to_json
from strongroom_client.transport import Transport
from strongroom_client.verification import verify_deposit_address, verify_invoice
from strongroom_core.errors import InvalidValueError
from strongroom_core.intents import PaymentIntent, SignedIntent

PayoutKind = Literal["payment", "withdrawal", "refund"]
Collection = Literal["invoices", "deposit-addresses", "deposits", "payouts", "webhook-endpoints", "events"]


class Api:
    """The calls of one merchant. ``transport`` carries the address and the token.

    With ``pins``, ``create_invoice``, ``invoice`` and ``deposit_address`` answer only where every pinned signer
    attested the address. Else they raise ``AddressForgedError`` (``address-forged``: somebody may own the API's host,
    show nothing) or ``AddressUnattestedError`` (``address-unattested``: repeat the call, with the same idempotency key,
    in a moment). Lists and webhooks are not verified: read the one invoice before you show its address.
    """

    def __init__(self, transport: Transport, pins: Pins | None = None) -> None:
        self._transport = transport
        self._pins = pins

    def merchant(self) -> Record:
        """Give the token's own merchant: id, name, branch, deployment, and assets with their fees and minimums."""
        return self._transport.get("/v1/merchant")

    def balances(self) -> list[Balance]:
        """Give the balance of every asset."""
        return cast("list[Balance]", _data(self._transport.get("/v1/balances")))

    def create_invoice(
        self,
        *,
        amount: str,
        currency: str,
        asset: str | None = None,
        reference: str | None = None,
        description: str | None = None,
        expires_in_seconds: int | None = None,
        redirect_url: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Invoice:
        """Ask to be paid ``amount`` (a decimal string) of ``currency`` in ``asset``: a code, or a CAIP-19 id.

        Give your order's number as ``idempotency_key``, and a repeated call makes no second invoice.
        """
        body = _given(
            amount=amount,
            currency=currency,
            asset=asset,
            reference=reference,
            description=description,
            expires_in_seconds=expires_in_seconds,
            redirect_url=redirect_url,
            metadata=metadata,
        )
        return self._invoice(self._transport.post("/v1/invoices", body, idempotency_key))

    def invoice(self, invoice_id: str) -> Invoice:
        """Give one invoice."""
        return self._invoice(self._transport.get(f"/v1/invoices/{_part(invoice_id)}"))

    def cancel_invoice(self, invoice_id: str) -> Invoice:
        """Withdraw an invoice that nobody has paid."""
        return cast("Invoice", self._transport.post(f"/v1/invoices/{_part(invoice_id)}/cancel"))

    def deposit_address(self, *, asset: str, reference: str) -> DepositAddress:
        """Give the standing address of a customer; the same reference gets the same address."""
        body = {"asset": asset, "reference": reference}
        found = self._transport.post("/v1/deposit-addresses", body)
        if self._pins is not None:
            verify_deposit_address(self._pins, found)
        return cast("DepositAddress", found)

    def deposit(self, deposit_id: str) -> Record:
        """Give one deposit."""
        return self._transport.get(f"/v1/deposits/{_part(deposit_id)}")

    def send_payout(self, signed: SignedIntent, kind: PayoutKind = "payment") -> Payout:
        """Hand in a signed intent. Sending the same again is safe at any time: its payout id makes it one payout.

        Raises ``ProtocolError`` where the answer is about another payment than the signed one.
        """
        intent = PaymentIntent.decode(signed.intent)
        body = signed_to_json(signed) | {"kind": kind}
        answer = self._transport.post("/v1/payouts", body, key=f"{intent.payout}-{intent.hash.hex()[:16]}")
        if (answer.get("id"), answer.get("destination")) != (intent.payout, intent.destination):
            message = "the API answered about another payment than the one that was sent"
            raise ProtocolError(message)
        return cast("Payout", answer)

    def payout(self, payout_id: str) -> Payout:
        """Give one payout with its timeline."""
        return cast("Payout", self._transport.get(f"/v1/payouts/{_part(payout_id)}"))

    def cancel_payout(self, payout_id: str) -> Payout:
        """Ask to stop a payout; its hold is released once every signer has promised never to sign it."""
        return cast("Payout", self._transport.post(f"/v1/payouts/{_part(payout_id)}/cancel"))

    def create_webhook_endpoint(self, url: str, events: Sequence[str] | None = None) -> WebhookEndpoint:
        """Have events sent to ``url``; all kinds unless named. The answer shows the secret, this once."""
        body = _given(url=url, events=None if events is None else list(events))
        return cast("WebhookEndpoint", self._transport.post("/v1/webhook-endpoints", body))

    def update_webhook_endpoint(
        self, endpoint_id: str, *, url: str | None = None, events: Sequence[str] | None = None
    ) -> WebhookEndpoint:
        """Change where events go, or which."""
        body = _given(url=url, events=None if events is None else list(events))
        return cast("WebhookEndpoint", self._transport.patch(f"/v1/webhook-endpoints/{_part(endpoint_id)}", body))

    def delete_webhook_endpoint(self, endpoint_id: str) -> None:
        """Send nothing there any more."""
        self._transport.delete(f"/v1/webhook-endpoints/{_part(endpoint_id)}")

    def deliveries(self, endpoint_id: str, cursor: str | None = None) -> Page[Record]:
        """Give a page of the attempts to deliver to one endpoint."""
        return self._page(f"/v1/webhook-endpoints/{_part(endpoint_id)}/deliveries", {"cursor": cursor})

    def redeliver(self, delivery_id: str) -> Record:
        """Have one webhook sent again."""
        return self._transport.post(f"/v1/webhook-deliveries/{_part(delivery_id)}/redeliver")

    def page(self, collection: Collection, cursor: str | None = None, limit: int | None = None) -> Page[Record]:
        """Give one page of a list, newest first."""
        return self._page(f"/v1/{collection}", {"cursor": cursor, "limit": limit})

    def all(self, collection: Collection) -> Iterator[Record]:
        """Walk a whole list, page by page. Raises ``ProtocolError`` where the pages go round in a circle."""
        cursor: str | None = None
        seen: set[str | None] = set()
        while cursor not in seen:
            seen.add(cursor)
            page = self.page(collection, cursor)
            yield from page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return
        message = f"the list of {collection} never ends: one cursor came twice"
        raise ProtocolError(message)

    def _invoice(self, found: Mapping[str, Any]) -> Invoice:
        if self._pins is not None:
            verify_invoice(self._pins, found)
        return cast("Invoice", found)

    def _page(self, path: str, query: Mapping[str, str | int | None]) -> Page[Record]:
        body = self._transport.get(path, query)
        cursor = body.get("next_cursor")
        if cursor is not None and not isinstance(cursor, str):
            message = "next_cursor is neither text nor null"
            raise ProtocolError(message)
        return {"data": _data(body), "next_cursor": cursor}


def _data(body: Mapping[str, Any]) -> list[Record]:
    data = body.get("data")
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        message = "a list without its data"
        raise ProtocolError(message)
    return data


def _given(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _part(text: str) -> str:
    """Escape an id, so that a slash in it can never turn one request into another."""
    if not text or text in {".", ".."}:
        message = "an id is missing"
        raise InvalidValueError(message)
    return quote(text, safe="")
