"""Rules about what merchants signed, alike on every chain: once, unexpired, not void, within limits.

Pure functions from a case to a refusal or nothing. What they cost whom is judged by ``book_rules``. A door for what
comes later: ``approvals at this size`` belongs after ``limit_payout``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from strongroom_core.refusals import RefusalTag
from strongroom_signer.balances import HOUSE
from strongroom_signer.model import UNSEEN, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from strongroom_signer.books import Books
    from strongroom_signer.model import Claim, Seen
    from strongroom_signer.policy import AssetLimits
    from strongroom_signer.slots import Spend


@dataclass(frozen=True, slots=True)
class ClaimsCase:
    """What these rules may look at: ``now`` in unix seconds, limits by CAIP-19 id, the books, the claims.

    ``off`` are the rules that the policy of a test network switched off; their no is not heard. ``seen`` is what the
    signer's own nodes say of the chain; without any word of theirs nothing is signed.
    """

    now: int
    limits: Mapping[str, AssetLimits]
    books: Books
    claims: tuple[Claim, ...]
    off: frozenset[RefusalTag] = field(default=frozenset(), kw_only=True)
    seen: Seen = field(default=UNSEEN, kw_only=True)

    @property
    def intents(self) -> frozenset[str]:
        """The hashes of the intents, in hex."""
        return frozenset(claim.hash.hex() for claim in self.claims)

    @property
    def fresh(self) -> tuple[Claim, ...]:
        """The claims that were never signed; expiry, caps and windows are judged once, now."""
        return tuple(claim for claim in self.claims if claim.hash.hex() not in self.books.signed_rows)

    def fee(self, claim: Claim) -> int:
        """What the merchant pays the house for the payout: as it was first signed, or by the policy now."""
        paid = self.books.money.paid.get(claim.hash.hex())
        if paid is not None:
            return paid.fee
        return 0 if claim.holder == HOUSE else self.limits[claim.intent.asset].payout_fee


C = TypeVar("C", bound=ClaimsCase)


def first_refusal(case: C, rules: Iterable[Callable[[C], Refusal | None]]) -> Refusal | None:
    """Give the first rule's no that is heard, or nothing where all say yes."""
    return next((no for rule in rules if (no := rule(case)) is not None and no.tag not in case.off), None)


def not_repeated(case: ClaimsCase) -> Refusal | None:
    """No intent, and no payout id of a merchant, stands in one request twice."""
    payouts = Counter((claim.intent.merchant, claim.intent.payout) for claim in case.claims)
    for (_, payout), count in payouts.items():
        if count > 1:
            return Refusal(RefusalTag.INTENT_REPEATED, "one payout is claimed twice in one chain tx", payout)
    return None


def not_void(case: ClaimsCase) -> Refusal | None:
    """No intent that this signer promised never to sign."""
    for claim in case.claims:
        row = case.books.void_rows.get(claim.hash.hex())
        if row is not None:
            return Refusal(RefusalTag.INTENT_VOID, f"the intent was voided in journal row {row}", claim.intent.payout)
    return None


def payout_bound_once(case: ClaimsCase) -> Refusal | None:
    """A payout id has one intent that counts: the first that was signed, even if the merchant signed another later."""
    for claim in case.claims:
        bound = case.books.intent_of_payout.get((claim.intent.merchant, claim.intent.payout))
        if bound not in {None, claim.hash.hex()}:
            reason = "another intent with this payout id was signed before"
            return Refusal(RefusalTag.INTENT_BOUND, reason, claim.intent.payout)
    return None


def unexpired(case: ClaimsCase) -> Refusal | None:
    """An intent that is signed for the first time has not expired."""
    for claim in case.fresh:
        if case.now >= claim.intent.expires_at:
            reason = f"the intent expired at {claim.intent.expires_at}, and it is {case.now}"
            return Refusal(RefusalTag.INTENT_EXPIRED, reason, claim.intent.payout)
    return None


def fee_within_ceiling(case: ClaimsCase) -> Refusal | None:
    """The merchant agreed to at least the fee that a payout costs it."""
    for claim in case.fresh:
        fee = case.fee(claim)
        if claim.intent.fee_ceiling < fee:
            reason = f"the merchant pays at most {claim.intent.fee_ceiling}, and a payout costs {fee}"
            return Refusal(RefusalTag.FEE_CEILING, reason, claim.intent.payout)
    return None


def limit_payout(case: ClaimsCase) -> Refusal | None:
    """One payout is within the policy's and the merchant's limit."""
    for claim in case.fresh:
        limit = min(case.limits[claim.intent.asset].per_payout, claim.caps.per_payout)
        if claim.intent.amount > limit:
            reason = f"{claim.intent.amount} is above the limit of {limit} for one payout"
            return Refusal(RefusalTag.LIMIT_PAYOUT, reason, claim.intent.payout)
    return None


def listed_or_within_cap(case: ClaimsCase) -> Refusal | None:
    """What a merchant pays to destinations that are not enrolled stays within its cap in the rolling window."""
    for claim, total in _running(case, unlisted_only=True):
        if total > claim.caps.unlisted_per_window:
            reason = f"unlisted destinations would get {total}, above the cap of {claim.caps.unlisted_per_window}"
            return Refusal(RefusalTag.DESTINATION_UNLISTED, reason, claim.intent.payout)
    return None


def limit_velocity_merchant(case: ClaimsCase) -> Refusal | None:
    """What one merchant pays in the rolling window stays within its cap."""
    for claim, total in _running(case, unlisted_only=False):
        if total > claim.caps.per_window:
            reason = f"the merchant's payouts would reach {total}, above its cap of {claim.caps.per_window}"
            return Refusal(RefusalTag.VELOCITY_MERCHANT, reason, claim.intent.payout)
    return None


def limit_velocity_all(case: ClaimsCase) -> Refusal | None:
    """What all merchants pay in the rolling window stays within the limit of each asset."""
    totals = {asset: sum(spend.amount for spend in _spent(case, asset)) for asset in _assets(case)}
    for claim in case.fresh:
        asset = claim.intent.asset
        totals[asset] += claim.intent.amount
        if totals[asset] > case.limits[asset].per_window:
            reason = f"all payouts would reach {totals[asset]}, above the limit of {case.limits[asset].per_window}"
            return Refusal(RefusalTag.VELOCITY_ALL, reason, claim.intent.payout)
    return None


def _running(case: ClaimsCase, *, unlisted_only: bool) -> Iterator[tuple[Claim, int]]:
    """Give each fresh claim that counts, with its merchant's sum of the asset in the window up to and with it."""
    totals: Counter[tuple[str, str]] = Counter()
    for asset in _assets(case):
        for spend in _spent(case, asset):
            if not (unlisted_only and spend.listed):
                totals[spend.merchant, asset] += spend.amount
    for claim in case.fresh:
        if not (unlisted_only and claim.listed):
            key = (claim.intent.merchant, claim.intent.asset)
            totals[key] += claim.intent.amount
            yield claim, totals[key]


def _assets(case: ClaimsCase) -> list[str]:
    return sorted({claim.intent.asset for claim in case.fresh})


def _spent(case: ClaimsCase, asset: str) -> Iterator[Spend]:
    return case.books.spent(asset, case.now - case.limits[asset].window_seconds)
