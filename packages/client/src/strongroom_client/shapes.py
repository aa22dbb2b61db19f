"""The JSON objects of the API. Amounts are decimal strings of whole units; ``…_base_units`` are integer strings.

Times are RFC 3339 in UTC. A release of the API may add fields; it takes none away within ``/v1``.
"""

from __future__ import annotations

from typing import Any, Generic, NotRequired, TypedDict, TypeVar

Item = TypeVar("Item")


class Page(TypedDict, Generic[Item]):
    """One page of a list; ``next_cursor`` asks for the next one, and is null on the last."""

    data: list[Item]
    next_cursor: str | None


class Attestation(TypedDict):
    """A signer's word that an address is the merchant's: identity key and Ed25519 signature in hex."""

    signer: str
    identity: str
    key_set: str
    index: int
    signature: str


class InvoicePayment(TypedDict):
    """One on-chain payment on an invoice's address; in another asset than the invoice's it pays nothing of it.

    ``confirmations_needed`` is None where it is confirmed once its network calls its block final.
    """

    deposit_id: str
    txid: str
    vout: int
    asset: str
    asset_id: str
    amount: str
    state: str
    confirmations: int
    confirmations_needed: int | None


class Invoice(TypedDict):
    """A request to be paid: ``amount`` in ``currency``, the other amounts in ``asset``.

    ``exception`` is none, underpaid, overpaid, paid-twice, late, wrong-asset or depegged; ``amount_pending`` is what is
    not credited yet. ``asset`` is a code, ``asset_id`` its CAIP-19 id, ``network`` the chain's name.
    """

    id: str
    status: str
    status_reason: str | None
    exception: str
    currency: str
    amount: str
    asset: str
    asset_id: str
    chain_id: str
    network: str
    amount_due: str
    amount_paid: str
    amount_pending: str
    amount_remaining: str
    rate: str | None
    rate_source: str | None
    address: str
    payment_uri: str
    checkout_url: str
    expires_at: str
    created_at: str
    reference: str | None
    description: str | None
    metadata: dict[str, Any] | None
    payments: list[InvoicePayment]
    deployment: str
    merchant_id: str
    attestations: list[Attestation]


class DepositAddress(TypedDict):
    """A standing address of one customer reference; it takes all of ``assets`` (ids), what its network has here."""

    id: str
    asset: str
    asset_id: str
    network: str
    assets: list[str]
    address: str
    reference: str
    chain: str
    deployment: str
    merchant_id: str
    attestations: list[Attestation]


class Balance(TypedDict):
    """What the merchant has of one asset; ``pending`` is seen but not confirmed, ``owed`` is owed by the merchant."""

    asset: str
    code: str
    network: str
    available: str
    held: str
    pending: str
    owed: str


class TimelineEntry(TypedDict):
    """One step in a payout's life."""

    status: str
    at: str
    reason: str | None


class Payout(TypedDict):
    """An outgoing payment; ``status_reason`` says in words what it waits for or why it was refused."""

    id: str
    status: str
    status_reason: str | None
    kind: str
    asset: str
    asset_id: str
    network: str
    amount: str
    fee: str
    fee_ceiling: str
    destination: str
    tag: str
    expires_at: str
    txid: str | None
    confirmations: int | None
    created_at: str
    timeline: list[TimelineEntry]


class WebhookEndpoint(TypedDict):
    """Where events go; ``secret`` is present only in the answer that made it."""

    id: str
    url: str
    events: list[str]
    secret: NotRequired[str]


# Objects that are read, shown and stored rather than computed with.
Record = dict[str, Any]
