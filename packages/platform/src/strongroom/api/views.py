"""From the rooms' nouns to the shapes of /v1; the same shapes travel in webhooks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import msgspec

from strongroom.api import schemas
from strongroom.attestations.model import Attestation
from strongroom.ledger.model import AccountType
from strongroom.ledger.model import Balance as LedgerBalance
from strongroom.merchants.model import ApiToken
from strongroom.payouts.model import Moment
from strongroom.wallets.model import WalletAddress
from strongroom.webhooks.model import Delivery, Endpoint, Event
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset, asset_by_id, network_name

_DEPOSIT_FIELDS: Final = tuple(
    name
    for name in schemas.Deposit.__struct_fields__
    if name.partition("_")[0] not in {"amount", "fee", "asset"}
    and name not in {"credited", "credited_base_units", "network"}
)


def time_text(at: datetime) -> str:
    """Write a time by RFC 3339, in UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def maybe_time(at: datetime | None) -> str | None:
    """Write a time that may not be there."""
    return time_text(at) if at else None


def decimal(base_units: int, asset: Asset) -> str:
    """Write base units as exact decimal text of whole units."""
    return Amount(asset, base_units).format()


def invoice_facts(view: Mapping[str, Any]) -> schemas.InvoiceFacts:
    """Check an invoice's view against the shape that webhooks promise."""
    return msgspec.convert(view, schemas.InvoiceFacts)


def invoice(view: Mapping[str, Any], deployment: str, words: Sequence[Attestation]) -> schemas.Invoice:
    """Check an invoice's view against the shape that the API promises; ``words`` are the signers'."""
    signed = {"deployment": deployment, "attestations": [_attestation(item) for item in words]}
    return msgspec.convert({**view, **signed}, schemas.Invoice)


def _attestation(word: Attestation) -> schemas.Attestation:
    """Show a signer's word as the merchant verifies it."""
    return schemas.Attestation(
        signer=word.signer,
        identity=word.identity.hex(),
        key_set=cast("Any", word.key_set),
        index=word.index,
        signature=word.signature.hex(),
    )


def deposit_address(
    found: WalletAddress, asset: Asset, taken: Sequence[Asset], deployment: str, words: Sequence[Attestation]
) -> schemas.DepositAddress:
    """Show a standing address as one for ``asset``; it takes all that is ``taken`` on its chain."""
    return schemas.DepositAddress(
        id=found.id,
        asset=asset.code,
        asset_id=asset.id,
        chain=found.chain,
        network=network_name(asset),
        assets=[item.id for item in taken],
        address=found.address,
        reference=found.reference,
        created_at=maybe_time(found.handed_out_at),
        deployment=deployment,
        merchant_id=found.merchant_id,
        attestations=[_attestation(item) for item in words],
    )


def deposit(view: Mapping[str, Any]) -> schemas.Deposit:
    """Show a deposit, from the view that its events carry."""
    asset = asset_by_id(view["asset"])
    amounts = _amounts(view, asset, ("amount", "fee", "credited"))
    kept = _one_spelling({name: view[name] for name in _DEPOSIT_FIELDS})
    return msgspec.convert(kept | amounts | _named(asset), schemas.Deposit)


def payout_facts(view: Mapping[str, Any]) -> schemas.PayoutFacts:
    """Show a payout as webhooks tell of it, from the view that its events carry."""
    return msgspec.convert(_payout(view), schemas.PayoutFacts)


def payout(view: Mapping[str, Any], confirmations: int, timeline: Sequence[Moment]) -> schemas.Payout:
    """Show a payout with its life so far."""
    steps = [
        schemas.PayoutStep(status=item.status, at=time_text(item.at), reason=item.reason or None) for item in timeline
    ]
    return msgspec.convert(_payout(view) | {"confirmations": confirmations, "timeline": steps}, schemas.Payout)


def _payout(view: Mapping[str, Any]) -> dict[str, Any]:
    asset = asset_by_id(view["asset"])
    amounts = _amounts(view, asset, ("amount", "fee", "fee_ceiling"))
    texts = {name: view[name] or None for name in ("status_reason", "status_tag", "tag", "txid")}
    fields = ("id", "status", "kind", "destination", "expires_at", "created_at")
    kept = _one_spelling({name: view[name] for name in fields})
    return kept | texts | amounts | _named(asset)


def _named(asset: Asset) -> dict[str, str]:
    return {"asset": asset.code, "asset_id": asset.id, "network": network_name(asset)}


def _one_spelling(fields: dict[str, Any]) -> dict[str, Any]:
    """Write every time of an event's view as the API writes all times."""
    times = {name: value for name, value in fields.items() if name.endswith("_at") and value is not None}
    return fields | {name: time_text(datetime.fromisoformat(value)) for name, value in times.items()}


def _amounts(view: Mapping[str, Any], asset: Asset, fields: Sequence[str]) -> dict[str, str]:
    amounts = {field: decimal(int(view[field]), asset) for field in fields}
    return amounts | {f"{field}_base_units": str(view[field]) for field in fields}


def balances(assets: Sequence[Asset], found: Sequence[LedgerBalance], pending: Mapping[str, int]) -> schemas.Balances:
    """Show a merchant's balances, one for each asset of the deployment."""
    amounts = {(item.account.asset.id, item.account.type): item.base_units for item in found}
    return schemas.Balances(data=[_balance(asset, amounts, pending) for asset in assets])


def _balance(
    asset: Asset, amounts: Mapping[tuple[str, AccountType], int], pending: Mapping[str, int]
) -> schemas.Balance:
    available = amounts.get((asset.id, AccountType.MERCHANT_AVAILABLE), 0)
    held = amounts.get((asset.id, AccountType.MERCHANT_HELD), 0)
    owed = -amounts.get((asset.id, AccountType.MERCHANT_OWED), 0)
    on_way = pending.get(asset.id, 0)
    return schemas.Balance(
        asset=asset.id,
        code=asset.code,
        network=network_name(asset),
        available=decimal(available, asset),
        available_base_units=str(available),
        held=decimal(held, asset),
        held_base_units=str(held),
        pending=decimal(on_way, asset),
        pending_base_units=str(on_way),
        owed=decimal(owed, asset),
        owed_base_units=str(owed),
    )


def endpoint(found: Endpoint, secret: str | None = None) -> schemas.WebhookEndpoint:
    """Show an endpoint; its secret only where it was just made."""
    return schemas.WebhookEndpoint(
        id=found.id,
        url=found.url,
        events=list(found.events),
        enabled=found.enabled,
        created_at=time_text(found.created_at),
        secret=secret,
    )


def key(found: ApiToken, text: str | None = None) -> schemas.Key:
    """Show an API key; its text only where it was just made."""
    return msgspec.convert(
        {
            "id": found.id,
            "label": found.label,
            "scopes": sorted(scope.value for scope in found.scopes),
            "created_at": time_text(found.created_at),
            "revoked_at": maybe_time(found.revoked_at),
            "token": text,
        },
        schemas.Key,
    )


def delivery(found: Delivery) -> schemas.WebhookDelivery:
    """Show a delivery."""
    return schemas.WebhookDelivery(
        id=found.id,
        endpoint_id=found.endpoint_id,
        event_id=found.event_id,
        type=found.type,
        state=found.state.value,
        attempts=found.attempts,
        next_attempt_at=time_text(found.next_attempt_at),
        last_status=found.last_status,
        last_error=found.last_error,
        delivered_at=maybe_time(found.delivered_at),
        created_at=time_text(found.created_at),
    )


def event(found: Event) -> schemas.Event:
    """Show a fact as its webhook said it."""
    body = json.loads(found.body)
    return schemas.Event(
        id=found.id,
        type=found.type,
        object_id=found.object_id,
        sequence=found.sequence,
        timestamp=body["timestamp"],
        data=body["data"],
    )
