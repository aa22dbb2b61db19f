"""Rules about the signer's own books and its own view of the chain: nobody is paid more than the chain brought.

Pure functions from a case to a refusal or nothing, alike on every chain.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from strongroom_core.refusals import RefusalTag
from strongroom_signer.balances import HOUSE
from strongroom_signer.model import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_signer.claim_rules import ClaimsCase
    from strongroom_signer.model import Claim


def chain_is_seen(case: ClaimsCase) -> Refusal | None:
    """The signer's own nodes agree on the chain, and said so lately."""
    return Refusal(RefusalTag.CHAIN_VIEW, case.seen.trouble) if case.seen.trouble else None


def merchant_not_frozen(case: ClaimsCase) -> Refusal | None:
    """No merchant owes: after a reorged credit nothing of it is signed, until it is repaid or proven again."""
    for claim in case.claims:
        if claim.holder != HOUSE and case.books.money.owes(claim.holder):
            reason = f"a proven deposit of {claim.holder} left the chain, and more of it was spent than is left"
            return Refusal(RefusalTag.MERCHANT_FROZEN, reason, claim.intent.payout)
    return None


def merchant_covers(case: ClaimsCase) -> Refusal | None:
    """Every merchant has what its payouts and their flat fees cost, by what was proven to this signer."""
    for claim, total in _running(case):
        balance = case.books.money.get(claim.holder, claim.intent.asset)
        if total > balance:
            reason = f"payouts and fees would come to {total} of the {balance} that were proven to be the merchant's"
            return Refusal(RefusalTag.BALANCE_MERCHANT, reason, claim.intent.payout)
    return None


def house_covers(case: ClaimsCase, fee: int = 0, asset: str = "") -> Refusal | None:
    """The house has what it pays out and what it bears: ``fee`` in base units of ``asset`` is the miners'."""
    change = Counter({asset: -fee}) if fee else Counter()
    for claim in case.fresh:
        change[claim.intent.asset] += -claim.intent.amount if claim.holder == HOUSE else case.fee(claim)
    for paid, amount in change.items():
        balance = case.books.money.get(HOUSE, paid)
        # What adds to it is signed even where it is below zero: that is how it gets out.
        if amount < 0 and balance + amount < 0:
            reason = f"the house has {balance} of {paid}, and this would cost it {-amount}"
            return Refusal(RefusalTag.BALANCE_HOUSE, reason)
    return None


def _running(case: ClaimsCase) -> Iterator[tuple[Claim, int]]:
    """Give each merchant's fresh claim with what its payouts of the asset cost up to and with it."""
    totals: Counter[tuple[str, str]] = Counter()
    for claim in case.fresh:
        if claim.holder != HOUSE:
            key = (claim.holder, claim.intent.asset)
            totals[key] += claim.intent.amount + case.fee(claim)
            yield claim, totals[key]
