"""Conversions: what a merchant signed to give for what, judged by the signer's own books and price bands.

Pure functions from a case to a refusal or nothing; both legs are booked against the house, which has to cover what it
gives. No chain tx belongs to a conversion, so nothing leaves by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strongroom_core.orders import ConversionOrder, InvalidOrderError
from strongroom_core.refusals import RefusalTag
from strongroom_signer.balances import HOUSE
from strongroom_signer.books import DAY_SECONDS
from strongroom_signer.errors import RefusedError
from strongroom_signer.evidence import is_signed
from strongroom_signer.model import Refusal

if TYPE_CHECKING:
    from strongroom_core.intents import SignedIntent
    from strongroom_signer.books import Books
    from strongroom_signer.enrolment import EnrolledMerchant
    from strongroom_signer.model import Seen
    from strongroom_signer.policy import Policy


@dataclass(frozen=True, slots=True)
class ConversionCase:
    """All that these rules may look at: ``seen`` is what the views of both assets' chains say."""

    now: int
    policy: Policy
    books: Books
    merchant: EnrolledMerchant | None
    order: ConversionOrder
    evidence: SignedIntent
    seen: tuple[Seen, ...]


def decode_order(evidence: SignedIntent) -> ConversionOrder:
    """Read the canonical bytes. Raises ``RefusedError`` (order-malformed)."""
    try:
        return ConversionOrder.decode(evidence.intent)
    except InvalidOrderError as error:
        raise RefusedError(RefusalTag.ORDER_MALFORMED, error.message) from None


def judge_conversion(case: ConversionCase) -> Refusal | None:
    """Give the first rule's no that is heard, or nothing where all say yes."""
    off = case.policy.trust.switched_off
    return next((no for rule in CONVERSION_RULES if (no := rule(case)) is not None and no.tag not in off), None)


def chains_are_seen(case: ConversionCase) -> Refusal | None:
    """The signer's own nodes agree on the chains of both assets: what covers the legs may have left one."""
    trouble = next((item.trouble for item in case.seen if item.trouble), "")
    return Refusal(RefusalTag.CHAIN_VIEW, trouble) if trouble else None


def of_this_deployment(case: ConversionCase) -> Refusal | None:
    """The order is for this installation."""
    if case.order.deployment != case.policy.deployment:
        reason = f"the order is for the deployment {case.order.deployment}, and this is {case.policy.deployment}"
        return Refusal(RefusalTag.INTENT_DEPLOYMENT, reason)
    return None


def signed_by_the_merchant(case: ConversionCase) -> Refusal | None:
    """The key that the merchant enrolled on this host signed exactly this order."""
    if case.merchant is None:
        return Refusal(RefusalTag.MERCHANT_UNKNOWN, f"{case.order.merchant} is not enrolled on this signer's host")
    if case.evidence.public_key != case.merchant.public_key or not is_signed(case.evidence):
        reason = f"the order is not signed by the key that {case.order.merchant} enrolled"
        return Refusal(RefusalTag.ORDER_UNSIGNED, reason)
    return None


def order_used_once(case: ConversionCase) -> Refusal | None:
    """An order id has one order: the first that was booked."""
    booked = case.books.money.orders.get((case.order.merchant, case.order.order))
    if booked is not None:
        reason = f"another order with this id was booked in journal row {booked.row}"
        return Refusal(RefusalTag.ORDER_REPEATED, reason)
    return None


def order_unexpired(case: ConversionCase) -> Refusal | None:
    """The order has not expired."""
    if case.now >= case.order.expires_at:
        reason = f"the order expired at {case.order.expires_at}, and it is {case.now}"
        return Refusal(RefusalTag.ORDER_EXPIRED, reason)
    return None


def price_in_band(case: ConversionCase) -> Refusal | None:
    """The two amounts are a price inside the signer's own band, whatever any source of rates says."""
    order = case.order
    band = case.policy.bands.get((order.sell_asset, order.buy_asset))
    if band is None:
        reason = f"the policy has no price band for {order.sell_asset} to {order.buy_asset}"
        return Refusal(RefusalTag.PRICE_BAND, reason)
    if not band.holds(order.sell_amount, order.buy_amount):
        reason = f"{order.buy_amount} for {order.sell_amount} is outside the band {band.least} to {band.most}"
        return Refusal(RefusalTag.PRICE_BAND, reason)
    return None


def within_the_day(case: ConversionCase) -> Refusal | None:
    """What a rolling day converts of a pair stays within the policy's limit: a wrong price costs so much at most."""
    order = case.order
    band = case.policy.bands.get((order.sell_asset, order.buy_asset))
    if band is None:
        return None
    total = case.books.money.sold(order.sell_asset, order.buy_asset, case.now - DAY_SECONDS) + order.sell_amount
    if total > band.per_day:
        reason = f"the day's conversions would reach {total}, above the limit of {band.per_day}"
        return Refusal(RefusalTag.CONVERSION_DAILY, reason)
    return None


def merchant_not_frozen(case: ConversionCase) -> Refusal | None:
    """The merchant owes nothing."""
    if case.books.money.owes(case.order.merchant):
        reason = f"a proven deposit of {case.order.merchant} left the chain, and more of it was spent than is left"
        return Refusal(RefusalTag.MERCHANT_FROZEN, reason)
    return None


def merchant_covers(case: ConversionCase) -> Refusal | None:
    """The merchant has what it sells."""
    balance = case.books.money.get(case.order.merchant, case.order.sell_asset)
    if case.order.sell_amount > balance:
        reason = f"the merchant sells {case.order.sell_amount} of the {balance} that were proven to be its own"
        return Refusal(RefusalTag.BALANCE_MERCHANT, reason)
    return None


def house_covers(case: ConversionCase) -> Refusal | None:
    """The house has what it gives for it: its inventory, never the clients' money."""
    balance = case.books.money.get(HOUSE, case.order.buy_asset)
    if case.order.buy_amount > balance:
        reason = f"the house has {balance} of {case.order.buy_asset}, and would give {case.order.buy_amount}"
        return Refusal(RefusalTag.BALANCE_HOUSE, reason)
    return None


CONVERSION_RULES: Final = (
    of_this_deployment,
    signed_by_the_merchant,
    order_used_once,
    order_unexpired,
    chains_are_seen,
    price_in_band,
    within_the_day,
    merchant_not_frozen,
    merchant_covers,
    house_covers,
)
