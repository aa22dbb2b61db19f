"""Pure pictures of an invoice: what its merchant sees (API and webhooks), and what its payer may see."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from strongroom.invoices import rules
from strongroom.invoices.model import Invoice, Payment, PublicInvoice
from strongroom_core.amounts import Amount
from strongroom_core.assets import chain_by_id, network_name

# BIP 21 for Bitcoin; Litecoin's wallets took over its form with their own scheme.
_SCHEMES: Final = {"BTC": "bitcoin", "LTC": "litecoin"}
_RATE_DECIMALS: Final = 8


def merchant_view(invoice: Invoice, public_url: str) -> dict[str, Any]:
    """Show an invoice to its merchant, as the API and webhooks do; amounts as decimal text and as base units."""
    return {
        "id": invoice.id,
        "merchant_id": invoice.merchant_id,
        **_common(invoice),
        "reference": invoice.reference,
        "metadata": dict(invoice.metadata),
        "checkout_url": f"{public_url.rstrip('/')}/checkout/{invoice.id}",
        "address_id": invoice.address_id,
        "payments": [{"deposit_id": payment.deposit_id, **_payment(payment)} for payment in invoice.payments],
    }


def public_view(public: PublicInvoice) -> dict[str, Any]:
    """Show an invoice to whoever has its link: nothing of the merchant but its name, no reference, no metadata."""
    invoice = public.invoice
    return {
        "id": invoice.id,
        "merchant_name": public.merchant_name,
        **_common(invoice),
        "payments": [_payment(payment) for payment in invoice.payments],
    }


def payment_uri(invoice: Invoice) -> str:
    """Make the link of what is left to pay, or of the whole where nothing is left: BIP 21, on an EVM chain EIP-681."""
    amount = rules.remaining(invoice) or invoice.due
    chain = chain_by_id(invoice.asset.chain_id)
    if chain.is_evm:
        return _eip_681(invoice, chain.evm_id, amount.base_units)
    uri = f"{_SCHEMES[invoice.asset.code]}:{invoice.address}?amount={_short(amount)}"
    return f"{uri}&message={quote(invoice.description, safe='')}" if invoice.description else uri


def _eip_681(invoice: Invoice, chain_number: int, base_units: int) -> str:
    """Whole base units, and no exponent: not every wallet reads one. The standard has no place for a message."""
    if invoice.asset.contract is None:
        return f"ethereum:{invoice.address}@{chain_number}?value={base_units}"
    token = f"ethereum:{invoice.asset.contract}@{chain_number}"
    return f"{token}/transfer?address={invoice.address}&uint256={base_units}"


def rate_text(price: Fraction) -> str:
    """Write a rate as decimal text of 8 decimals, rounded half to even; the exact ratio stays in the table."""
    return _rate_text(price.numerator, price.denominator)


@lru_cache(maxsize=256)  # a rate is locked by thousands of invoices before the next one comes
def _rate_text(numerator: int, denominator: int) -> str:
    scaled = round(Fraction(numerator, denominator) * 10**_RATE_DECIMALS)
    return f"{Decimal(scaled).scaleb(-_RATE_DECIMALS):f}"


def time_text(at: datetime) -> str:
    """Write a time by RFC 3339, in UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _common(invoice: Invoice) -> dict[str, Any]:
    rate = invoice.rate
    return {
        "status": invoice.status.value,
        "exception": invoice.exception.value,
        "status_reason": invoice.reason.value if invoice.reason else None,
        "currency": invoice.price.asset.code,
        **_amount("amount", invoice.price),
        "asset": invoice.asset.code,
        "asset_id": invoice.asset.id,
        "chain_id": invoice.asset.chain_id,
        "network": network_name(invoice.asset),
        **_amount("amount_due", invoice.due),
        **_amount("amount_enough", invoice.enough),
        **_amount("amount_paid", invoice.paid),
        **_amount("amount_pending", invoice.pending),
        **_amount("amount_remaining", rules.remaining(invoice)),
        "rate": rate_text(rate.price) if rate else None,
        "rate_source": "+".join(rate.sources) if rate else None,
        "rate_at": time_text(rate.at) if rate else None,
        "spread_ppm": rate.spread_ppm if rate else None,
        "address": invoice.address,
        "payment_uri": payment_uri(invoice),
        "redirect_url": invoice.redirect_url,
        "description": invoice.description,
        "created_at": time_text(invoice.created_at),
        "expires_at": time_text(invoice.expires_at),
        "paid_at": time_text(invoice.paid_at) if invoice.paid_at else None,
    }


def _payment(payment: Payment) -> dict[str, Any]:
    return {
        "txid": payment.txid,
        "vout": payment.vout,
        "asset": payment.asset.code,
        "asset_id": payment.asset.id,
        **_amount("amount", Amount(payment.asset, payment.amount)),
        "state": payment.state.value,
        "confirmations": payment.confirmations,
        "confirmations_needed": payment.confirmations_needed,
        "below_minimum": payment.below_minimum,
        "first_seen_at": time_text(payment.first_seen_at),
    }


def _amount(name: str, amount: Amount) -> dict[str, str]:
    return {name: amount.format(), f"{name}_base_units": str(amount.base_units)}


def _short(amount: Amount) -> str:
    text = amount.format()
    return text.rstrip("0").rstrip(".") if "." in text else text
