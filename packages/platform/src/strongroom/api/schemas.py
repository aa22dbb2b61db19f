"""The shapes of /v1, as OpenAPI shows them.

Amounts are decimal text; ``…_base_units`` is the same as a whole number.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

DecimalText = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]*)(\.[0-9]+)?$", max_length=128, examples=["12.50"])]
BaseUnits = Annotated[str, Meta(pattern=r"^-?[0-9]+$", examples=["1250000"])]
Time = Annotated[str, Meta(examples=["2026-11-22T10:00:00.000Z"])]
Code = Annotated[str, Meta(min_length=1, max_length=12, examples=["BTC"])]
AssetName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=180,
        description="A code, or a CAIP-19 id where several networks have the code",
        examples=["BTC", "eip155:1/erc20:0xdac17f958d2ee523a2206206994597c13d831ec7"],
    ),
]
Hex = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})+$", max_length=4096)]


class _Shape(msgspec.Struct, frozen=True, kw_only=True):
    """An answer."""


class _Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body; unknown fields are refused, so that a misspelt one is not silently ignored."""


class NewInvoice(_Input, frozen=True, kw_only=True):
    """``amount`` of ``currency`` (a fiat code, or the coin's own) to be paid in ``asset``.

    USDT on one network is another asset than on the next: where more than one network here has a code, name the asset
    by its id (see `GET /v1/merchant`); the code alone is refused as `asset-ambiguous`.
    """

    amount: DecimalText
    currency: AssetName
    asset: AssetName | None = None
    reference: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    description: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    expires_in_seconds: Annotated[int, Meta(ge=5, le=604_800)] | None = None
    redirect_url: Annotated[str, Meta(min_length=1, max_length=2000)] | None = None
    metadata: dict[str, Any] | None = None


class Payment(_Shape, frozen=True, kw_only=True):
    """One deposit on an invoice's address. In another ``asset`` than the invoice's it is yours, and pays none of it.

    ``confirmations_needed`` is null where no count decides: it is confirmed once its network calls its block final.
    """

    deposit_id: str
    txid: str
    vout: int
    asset: str
    asset_id: str
    amount: str
    amount_base_units: BaseUnits
    state: str
    confirmations: int
    confirmations_needed: int | None
    below_minimum: bool
    first_seen_at: Time


class Attestation(_Shape, frozen=True, kw_only=True):
    """A signer's word that ``address`` is yours: an Ed25519 ``signature`` by its ``identity`` key (both in hex).

    Signed are the domain tag `strongroom address v1` and the fields deployment, chain, merchant, ``key_set``,
    ``index``, address (see docs/attested-addresses.md). Verify it with a key, a deployment and a merchant id that you
    pinned yourself, never with those of this answer.
    """

    signer: str
    identity: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    key_set: Literal["hot", "cold", "forwarder"]
    index: int
    signature: Annotated[str, Meta(pattern=r"^[0-9a-f]{128}$")]


class InvoiceFacts(_Shape, frozen=True, kw_only=True):
    """A request to be paid, and what came for it, as webhooks tell of it."""

    id: str
    merchant_id: str
    status: Literal["new", "processing", "paid", "expired", "invalid"]
    exception: Literal["none", "underpaid", "overpaid", "paid-twice", "late", "wrong-asset", "depegged"]
    status_reason: str | None
    currency: str
    amount: str
    amount_base_units: BaseUnits
    asset: str
    asset_id: str
    chain_id: str
    network: str
    amount_due: str
    amount_due_base_units: BaseUnits
    amount_enough: str
    amount_enough_base_units: BaseUnits
    amount_paid: str
    amount_paid_base_units: BaseUnits
    amount_pending: str
    amount_pending_base_units: BaseUnits
    amount_remaining: str
    amount_remaining_base_units: BaseUnits
    rate: str | None
    rate_source: str | None
    rate_at: Time | None
    spread_ppm: int | None
    address: str
    address_id: str
    payment_uri: str
    checkout_url: str
    redirect_url: str | None
    description: str | None
    reference: str | None
    metadata: dict[str, Any]
    created_at: Time
    expires_at: Time
    paid_at: Time | None
    payments: list[Payment]


class Invoice(InvoiceFacts, frozen=True, kw_only=True):
    """A request to be paid, what came for it, and the signers' word for its address.

    ``attestations`` are of ``chain_id``, ``merchant_id`` and ``address``. A signer that is missing there has not
    answered yet: read the invoice again in a moment.
    """

    deployment: str
    attestations: list[Attestation]


class NewDepositAddress(_Input, frozen=True, kw_only=True):
    """A standing address for a customer, under your own ``reference``; the same reference gives the same address.

    It is the chain's: one address takes every asset of its network.
    """

    asset: AssetName
    reference: Annotated[str, Meta(min_length=1, max_length=200)]


class DepositAddress(_Shape, frozen=True, kw_only=True):
    """A standing address: what is paid to it is credited, whenever it comes, in any of ``assets`` (ids).

    ``attestations`` are the signers' word for ``chain``, ``merchant_id`` and ``address``. A signer that is missing
    there has not answered yet: ask for the address again in a moment.
    """

    id: str
    asset: str
    asset_id: str
    chain: str
    network: str
    assets: list[str]
    address: str
    reference: str | None
    created_at: Time | None
    deployment: str
    merchant_id: str | None
    attestations: list[Attestation]


class Deposit(_Shape, frozen=True, kw_only=True):
    """One incoming payment on a chain; ``credited`` is what it added to your balance, net of ``fee``.

    ``confirmations_needed`` is null where no count decides: it is confirmed once its network calls its block final.
    """

    id: str
    asset: str
    asset_id: str
    network: str
    address: str
    address_id: str
    purpose: str | None
    reference: str | None
    txid: str
    vout: int
    amount: str
    amount_base_units: BaseUnits
    fee: str
    fee_base_units: BaseUnits
    credited: str
    credited_base_units: BaseUnits
    state: Literal["seen", "confirming", "confirmed", "held", "credited", "reversed", "dropped"]
    exception: str | None
    replaced_by: str | None
    confirmations: int
    confirmations_needed: int | None
    below_minimum: bool
    rbf: bool
    cycle: int
    first_seen_at: Time
    credited_at: Time | None


class Balance(_Shape, frozen=True, kw_only=True):
    """What you have of one asset.

    ``available`` to pay out, ``held`` for payouts, ``pending`` deposits, ``owed`` to us.
    """

    asset: str
    code: str
    network: str
    available: str
    available_base_units: BaseUnits
    held: str
    held_base_units: BaseUnits
    pending: str
    pending_base_units: BaseUnits
    owed: str
    owed_base_units: BaseUnits


class Balances(_Shape, frozen=True, kw_only=True):
    """One balance for each asset of the deployment, zeros included."""

    data: list[Balance]


class NewPayout(_Input, frozen=True, kw_only=True):
    """A payment intent in its canonical bytes, and your signature over them, all in hex. See docs/payment-intent.md."""

    intent: Hex
    public_key: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    signature: Annotated[str, Meta(pattern=r"^[0-9a-f]{128}$")]
    kind: Literal["payment", "withdrawal", "refund"] = "payment"


class PayoutStep(_Shape, frozen=True, kw_only=True):
    """One arrow in a payout's life."""

    status: str
    at: Time
    reason: str | None


class PayoutFacts(_Shape, frozen=True, kw_only=True):
    """A payout as webhooks tell of it: ``amount`` reaches the destination, ``fee`` is what you pay for it.

    ``status_tag`` is the signer's or our own stable tag where it was refused, ended or waits; ``status_reason`` says it
    in words.
    """

    id: str
    status: Literal[
        "queued", "hot-short", "planned", "signed", "broadcast", "confirmed", "final", "refused", "cancelled", "expired"
    ]
    status_reason: str | None
    status_tag: str | None
    kind: Literal["payment", "withdrawal", "refund"]
    asset: str
    asset_id: str
    network: str
    amount: str
    amount_base_units: BaseUnits
    fee: str
    fee_base_units: BaseUnits
    fee_ceiling: str
    fee_ceiling_base_units: BaseUnits
    destination: str
    tag: str | None
    txid: str | None
    expires_at: Time
    created_at: Time


class Payout(PayoutFacts, frozen=True, kw_only=True):
    """An outgoing payment, with the blocks that confirm it so far, and its life."""

    confirmations: int
    timeline: list[PayoutStep]


class NewWebhookEndpoint(_Input, frozen=True, kw_only=True):
    """Your server's URL, and which events it wants; none named means all."""

    url: Annotated[str, Meta(min_length=1, max_length=2048)]
    events: list[str] = []


class WebhookEndpointChange(_Input, frozen=True, kw_only=True):
    """What to change; what is left out stays."""

    url: Annotated[str, Meta(min_length=1, max_length=2048)] | None = None
    events: list[str] | None = None
    enabled: bool | None = None


class WebhookEndpoint(_Shape, frozen=True, kw_only=True):
    """A server of yours that is told of events. ``secret`` is shown in the answer that made it, and never again."""

    id: str
    url: str
    events: list[str]
    enabled: bool
    created_at: Time
    secret: str | None = None


class WebhookDelivery(_Shape, frozen=True, kw_only=True):
    """One event on its way to one endpoint."""

    id: str
    endpoint_id: str
    event_id: str
    type: str
    state: Literal["pending", "delivered", "exhausted"]
    attempts: int
    next_attempt_at: Time
    last_status: int | None
    last_error: str | None
    delivered_at: Time | None
    created_at: Time


class Event(_Shape, frozen=True, kw_only=True):
    """A fact told to you, as the webhook's body says it."""

    id: str
    type: str
    object_id: str
    sequence: int
    timestamp: Time
    data: dict[str, Any]


ScopeName = Literal["read", "invoices", "payouts", "webhooks", "addresses", "keys"]


class NewKey(_Input, frozen=True, kw_only=True):
    """What the key may do, none of it beyond the calling key's own scopes, and what it is for."""

    scopes: Annotated[list[ScopeName], Meta(min_length=1, max_length=6)]
    label: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[!-~]([ -~]*[!-~])?$")]


class Key(_Shape, frozen=True, kw_only=True):
    """An API key. ``token`` is shown in the answer that made it, and never again: not to a repeated request either."""

    id: str
    label: str
    scopes: list[ScopeName]
    created_at: Time
    revoked_at: Time | None
    token: str | None = None


class AssetTerms(_Shape, frozen=True, kw_only=True):
    """What you can be paid in, and what it costs; fees and minimum in the asset. ``closed``: only paid out any more."""

    asset: str
    code: str
    chain: str
    chain_name: str
    decimals: int
    deposit_minimum: str
    deposit_fee_ppm: int
    payout_fee: str
    payouts_stopped: str | None
    closed: bool = False


class Merchant(_Shape, frozen=True, kw_only=True):
    """You: what payment intents must name, and the terms that are in force."""

    id: str
    name: str
    branch: int
    deployment: str
    created_at: Time
    assets: list[AssetTerms]


class InvoicePage(_Shape, frozen=True, kw_only=True):
    """Invoices, newest first."""

    data: list[Invoice]
    next_cursor: str | None


class DepositAddressPage(_Shape, frozen=True, kw_only=True):
    """Standing addresses, newest first."""

    data: list[DepositAddress]
    next_cursor: str | None


class DepositPage(_Shape, frozen=True, kw_only=True):
    """Deposits, newest first."""

    data: list[Deposit]
    next_cursor: str | None


class PayoutPage(_Shape, frozen=True, kw_only=True):
    """Payouts, newest first."""

    data: list[Payout]
    next_cursor: str | None


class WebhookEndpointPage(_Shape, frozen=True, kw_only=True):
    """Endpoints, newest first."""

    data: list[WebhookEndpoint]
    next_cursor: str | None


class WebhookDeliveryPage(_Shape, frozen=True, kw_only=True):
    """Deliveries, newest first."""

    data: list[WebhookDelivery]
    next_cursor: str | None


class KeyPage(_Shape, frozen=True, kw_only=True):
    """Keys, newest first."""

    data: list[Key]
    next_cursor: str | None


class EventPage(_Shape, frozen=True, kw_only=True):
    """Events, newest first."""

    data: list[Event]
    next_cursor: str | None


INPUTS: Final = (NewInvoice, NewDepositAddress, NewPayout, NewWebhookEndpoint, WebhookEndpointChange, NewKey)
