"""The rules: pure functions from a case to a refusal or nothing. Signed is only what every one of them lets pass.

To add a rule, write a function and put it into ``RULES``; ``judge`` asks them in that order and gives the first no.
Doors for what comes later: ``covered by the merchant's proven balance`` belongs after ``limit_velocity_merchant``,
``approvals at this size`` after ``limit_payout``, the peer's head and the policy's time-lock before ``not_void``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strongroom_core.refusals import RefusalTag
from strongroom_signer.books import DAY_SECONDS
from strongroom_signer.keyset import CHANGE_BRANCH
from strongroom_signer.model import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_signer.books import Books, Slot
    from strongroom_signer.model import Claim, DecodedTx, Output
    from strongroom_signer.policy import AssetLimits, ChainPolicy


@dataclass(frozen=True, slots=True)
class Case:
    """All that the rules may look at; ``now`` in unix seconds. Nothing in it comes unchecked from the platform."""

    now: int
    chain: ChainPolicy
    limits: AssetLimits
    books: Books
    tx: DecodedTx
    claims: tuple[Claim, ...]

    @property
    def chain_id(self) -> str:
        """The CAIP-2 id."""
        return self.chain.parameters.chain.id

    @property
    def intents(self) -> frozenset[str]:
        """The hashes of the intents, in hex."""
        return frozenset(claim.hash.hex() for claim in self.claims)

    @property
    def fresh(self) -> tuple[Claim, ...]:
        """The claims that were never signed; expiry, caps and windows are judged once, now."""
        return tuple(claim for claim in self.claims if claim.hash.hex() not in self.books.slot_of_intent)

    @property
    def slot(self) -> Slot | None:
        """The slot that this is a later version of, or nothing."""
        if not self.claims:
            return self.books.sweep_slot(self.chain_id, self.tx.coins)
        return self.books.slot_of_intent.get(self.claims[0].hash.hex())


def judge(case: Case) -> Refusal | None:
    """Give the first rule's no, or nothing where all say yes."""
    return next((refusal for rule in RULES if (refusal := rule(case)) is not None), None)


def not_repeated(case: Case) -> Refusal | None:
    """No intent, and no payout id of a merchant, stands in one request twice."""
    payouts = Counter((claim.intent.merchant, claim.intent.payout) for claim in case.claims)
    for (_, payout), count in payouts.items():
        if count > 1:
            return Refusal(RefusalTag.INTENT_REPEATED, "one payout is claimed twice in one chain tx", payout)
    return None


def not_void(case: Case) -> Refusal | None:
    """No intent that this signer promised never to sign."""
    for claim in case.claims:
        row = case.books.void_rows.get(claim.hash.hex())
        if row is not None:
            return Refusal(RefusalTag.INTENT_VOID, f"the intent was voided in journal row {row}", claim.intent.payout)
    return None


def payout_bound_once(case: Case) -> Refusal | None:
    """A payout id has one intent that counts: the first that was signed, even if the merchant signed another later."""
    for claim in case.claims:
        bound = case.books.intent_of_payout.get((claim.intent.merchant, claim.intent.payout))
        if bound not in {None, claim.hash.hex()}:
            reason = "another intent with this payout id was signed before"
            return Refusal(RefusalTag.INTENT_BOUND, reason, claim.intent.payout)
    return None


def bound_to_this_slot(case: Case) -> Refusal | None:
    """An intent is bound to one slot forever; later versions have the same payments and all earlier coins."""
    slots = {slot.row: slot for claim in case.claims if (slot := case.books.slot_of_intent.get(claim.hash.hex()))}
    if not slots:
        return None
    payout = next(claim.intent.payout for claim in case.claims if claim.hash.hex() in case.books.slot_of_intent)
    slot = slots[min(slots)]
    shared = slot.coins & case.tx.coins
    if len(slots) > 1 or slot.chain != case.chain_id or not shared:
        return Refusal(RefusalTag.INTENT_BOUND, f"the intent is bound to the slot of journal row {slot.row}", payout)
    if not slot.coins <= case.tx.coins:
        reason = f"a later version spends all coins of the earlier ones (journal row {slot.row})"
        return Refusal(RefusalTag.SLOT_INPUTS, reason, payout)
    if slot.intents != case.intents:
        reason = f"a later version pays what the earlier ones pay (journal row {slot.row})"
        return Refusal(RefusalTag.SLOT_PAYMENTS, reason, payout)
    return None


def outputs_match_intents(case: Case) -> Refusal | None:
    """Every intent is paid by an output of its own, to the base unit."""
    outputs = Counter((output.script, output.amount) for output in case.tx.outputs)
    for claim in case.claims:
        key = (claim.script, claim.intent.amount)
        if not outputs[key]:
            reason = f"no output pays exactly {claim.intent.amount} to {claim.intent.destination}"
            return Refusal(RefusalTag.INTENT_UNMATCHED, reason, claim.intent.payout)
        outputs[key] -= 1
    return None


def rest_is_ours(case: Case) -> Refusal | None:
    """What no intent asks for goes back to us."""
    for output in own_outputs(case.tx, case.claims):
        if output.place is None:
            reason = f"an output of {output.amount} is asked for by no intent and is not ours"
            return Refusal(RefusalTag.OUTPUT_UNMATCHED, reason)
    return None


def rest_is_on_change_branch(case: Case) -> Refusal | None:
    """Change and sweeps go to branch 0 only: an own output on a merchant's branch could pass for a deposit."""
    for output in own_outputs(case.tx, case.claims):
        if output.place is not None and output.place.branch != CHANGE_BRANCH:
            reason = f"an output goes to branch {output.place.branch} of the {output.place.key_set} key set"
            return Refusal(RefusalTag.CHANGE_BRANCH, reason)
    return None


def rest_is_in_reach(case: Case) -> Refusal | None:
    """An own output's index is at most the gap past the highest journalled one: beyond, a restore would not find it."""
    for output in own_outputs(case.tx, case.claims):
        if output.place is not None:
            highest = case.books.highest_index.get((case.chain_id, output.place.key_set), -1)
            if output.place.index > highest + case.chain.max_index_gap:
                reason = f"index {output.place.index} is more than {case.chain.max_index_gap} past {highest}"
                return Refusal(RefusalTag.CHANGE_INDEX, reason)
    return None


def no_dust(case: Case) -> Refusal | None:
    """No output below the dust threshold: nodes would not relay it, or nobody could spend it."""
    for output in case.tx.outputs:
        if output.amount < case.chain.dust:
            reason = f"an output of {output.amount} is below the dust threshold of {case.chain.dust}"
            return Refusal(RefusalTag.OUTPUT_DUST, reason)
    return None


def unexpired(case: Case) -> Refusal | None:
    """An intent that is signed for the first time has not expired."""
    for claim in case.fresh:
        if case.now >= claim.intent.expires_at:
            reason = f"the intent expired at {claim.intent.expires_at}, and it is {case.now}"
            return Refusal(RefusalTag.INTENT_EXPIRED, reason, claim.intent.payout)
    return None


def fee_within_ceiling(case: Case) -> Refusal | None:
    """The merchant agreed to at least the fee that a payout costs it."""
    for claim in case.fresh:
        if claim.intent.fee_ceiling < case.limits.payout_fee:
            reason = (
                f"the merchant pays at most {claim.intent.fee_ceiling}, and a payout costs {case.limits.payout_fee}"
            )
            return Refusal(RefusalTag.FEE_CEILING, reason, claim.intent.payout)
    return None


def limit_payout(case: Case) -> Refusal | None:
    """One payout is within the policy's and the merchant's limit."""
    for claim in case.fresh:
        limit = min(case.limits.per_payout, claim.caps.per_payout)
        if claim.intent.amount > limit:
            reason = f"{claim.intent.amount} is above the limit of {limit} for one payout"
            return Refusal(RefusalTag.LIMIT_PAYOUT, reason, claim.intent.payout)
    return None


def listed_or_within_cap(case: Case) -> Refusal | None:
    """What a merchant pays to destinations that are not enrolled stays within its cap in the rolling window."""
    for claim, total in _running(case, unlisted_only=True):
        if total > claim.caps.unlisted_per_window:
            reason = f"unlisted destinations would get {total}, above the cap of {claim.caps.unlisted_per_window}"
            return Refusal(RefusalTag.DESTINATION_UNLISTED, reason, claim.intent.payout)
    return None


def limit_velocity_merchant(case: Case) -> Refusal | None:
    """What one merchant pays in the rolling window stays within its cap."""
    for claim, total in _running(case, unlisted_only=False):
        if total > claim.caps.per_window:
            reason = f"the merchant's payouts would reach {total}, above its cap of {claim.caps.per_window}"
            return Refusal(RefusalTag.VELOCITY_MERCHANT, reason, claim.intent.payout)
    return None


def limit_velocity_all(case: Case) -> Refusal | None:
    """What all merchants pay in the rolling window stays within the limit of the asset."""
    since = case.now - case.limits.window_seconds
    total = sum(spend.amount for spend in case.books.spent(case.chain.parameters.asset.id, since))
    for claim in case.fresh:
        total += claim.intent.amount
        if total > case.limits.per_window:
            reason = f"all payouts would reach {total}, above the limit of {case.limits.per_window}"
            return Refusal(RefusalTag.VELOCITY_ALL, reason, claim.intent.payout)
    return None


def fee_rate(case: Case) -> Refusal | None:
    """The fee rate is within the policy's; the size is counted as signed."""
    if case.tx.fee > case.chain.max_fee_rate * case.tx.virtual_bytes:
        reason = f"{case.tx.fee} for {case.tx.virtual_bytes} vB is more than {case.chain.max_fee_rate} a vB"
        return Refusal(RefusalTag.FEE_RATE, reason)
    return None


def fee_absolute(case: Case) -> Refusal | None:
    """One chain tx's fee is within the policy's."""
    if case.tx.fee > case.chain.max_fee:
        return Refusal(RefusalTag.FEE_ABSOLUTE, f"a fee of {case.tx.fee} is above the limit of {case.chain.max_fee}")
    return None


def fee_daily(case: Case) -> Refusal | None:
    """The fees of a rolling day, each slot by its highest version, stay within the budget."""
    slot = case.slot
    if slot is not None and case.tx.fee <= slot.fee:
        return None
    total = case.books.fees(case.chain_id, case.now - DAY_SECONDS, slot) + case.tx.fee
    if total > case.chain.daily_fee_budget:
        reason = f"the day's fees would reach {total}, above the budget of {case.chain.daily_fee_budget}"
        return Refusal(RefusalTag.FEE_DAILY, reason)
    return None


def own_outputs(tx: DecodedTx, claims: tuple[Claim, ...]) -> Iterator[Output]:
    """Give the outputs that are left when every intent has taken one of exactly its script and amount."""
    wanted = Counter((claim.script, claim.intent.amount) for claim in claims)
    for output in tx.outputs:
        key = (output.script, output.amount)
        if wanted[key]:
            wanted[key] -= 1
        else:
            yield output


def _running(case: Case, *, unlisted_only: bool) -> Iterator[tuple[Claim, int]]:
    """Give each fresh claim that counts, with its merchant's sum in the window up to and with it."""
    since = case.now - case.limits.window_seconds
    totals: Counter[str] = Counter()
    for spend in case.books.spent(case.chain.parameters.asset.id, since):
        if not (unlisted_only and spend.listed):
            totals[spend.merchant] += spend.amount
    for claim in case.fresh:
        if not (unlisted_only and claim.listed):
            totals[claim.intent.merchant] += claim.intent.amount
            yield claim, totals[claim.intent.merchant]


RULES: Final = (
    not_repeated,
    not_void,
    payout_bound_once,
    bound_to_this_slot,
    outputs_match_intents,
    rest_is_ours,
    rest_is_on_change_branch,
    rest_is_in_reach,
    no_dust,
    unexpired,
    fee_within_ceiling,
    limit_payout,
    listed_or_within_cap,
    limit_velocity_merchant,
    limit_velocity_all,
    fee_rate,
    fee_absolute,
    fee_daily,
)
