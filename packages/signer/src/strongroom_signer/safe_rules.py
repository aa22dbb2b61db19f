"""The rules of a Safe: pure functions from a case to a refusal or nothing. All must let a request pass.

What the Safe transaction does was read by ``safe_decode``; here it is compared with what merchants signed, with the
policy and with the journal. A nonce is the slot: at most one of all Safe transactions at a nonce is ever executed, so
versions of a nonce may pay different intents, while an intent stays at its nonce forever.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strongroom_core.refusals import RefusalTag
from strongroom_signer import book_rules, claim_rules
from strongroom_signer.books import DAY_SECONDS
from strongroom_signer.model import MovementKind, Refusal

if TYPE_CHECKING:
    from strongroom_signer.model import DecodedSafeTx
    from strongroom_signer.safe_policy import SafePolicy
    from strongroom_signer.slots import NonceSlot

MAX_NONCE_INTENTS: Final = 20_000


@dataclass(frozen=True, slots=True)
class SafeCase(claim_rules.ClaimsCase):
    """All that the rules of a Safe may look at. Nothing in it comes unchecked from the platform."""

    chain: SafePolicy
    tx: DecodedSafeTx

    @property
    def chain_id(self) -> str:
        """The CAIP-2 id."""
        return self.chain.parameters.chain.id

    @property
    def safe(self) -> str:
        """The hot Safe as the journal writes it."""
        return "0x" + self.chain.hot_safe.hex()

    @property
    def slot(self) -> NonceSlot | None:
        """The nonce's slot, or nothing where nothing was signed at it."""
        return self.books.nonces.get((self.chain_id, self.safe, self.tx.nonce))


def judge_safe(case: SafeCase) -> Refusal | None:
    """Give the first rule's no, or nothing where all say yes."""
    return claim_rules.first_refusal(case, SAFE_RULES)


def nonce_in_reach(case: SafeCase) -> Refusal | None:
    """The nonce is not before the policy's first, and at most the next one after the highest that was signed.

    A gap would let signatures walk away from what the chain has executed: a payment at a nonce far ahead is judged
    today and used when it suits the thief.
    """
    first, nonce = case.chain.first_nonce, case.tx.nonce
    if nonce < first:
        return Refusal(RefusalTag.NONCE_BEHIND, f"nonce {nonce} is before the policy's first nonce {first}")
    executed = case.books.highest_executed.get((case.chain_id, case.safe), -1)
    if nonce <= executed:
        return Refusal(RefusalTag.NONCE_BEHIND, f"nonce {nonce} was used: {executed} is proven to be executed")
    highest = max(case.books.highest_nonce.get((case.chain_id, case.safe), first - 1), first - 1)
    if nonce > highest + 1:
        return Refusal(RefusalTag.NONCE_AHEAD, f"nonce {nonce} leaves a gap: the next one to sign is {highest + 1}")
    return None


def nonces_within_day(case: SafeCase) -> Refusal | None:
    """A rolling day signs at no more nonces than the policy says, each counted when it was first signed."""
    limit = case.chain.new_nonces_per_day
    if case.slot is None and case.books.new_nonces(case.chain_id, case.safe, case.now - DAY_SECONDS) >= limit:
        reason = f"nonce {case.tx.nonce} would be new, and the day has had its {limit} new nonces"
        return Refusal(RefusalTag.NONCE_DAILY, reason)
    return None


def nonce_has_room(case: SafeCase) -> Refusal | None:
    """The intents of all versions of a nonce stay so few that its end can be booked in some rows."""
    known = case.slot.intents if case.slot is not None else {}
    new = sum(claim.hash.hex() not in known for claim in case.claims)
    if new and len(known) + new > MAX_NONCE_INTENTS:
        reason = f"at most {MAX_NONCE_INTENTS} intents are signed at one nonce: cancel it, and use the next one"
        return Refusal(RefusalTag.SLOT_PAYMENTS, reason)
    return None


def bound_to_this_nonce(case: SafeCase) -> Refusal | None:
    """An intent is bound to one nonce of one Safe forever: at two nonces it could be paid twice."""
    for claim in case.claims:
        slot = case.books.nonce_of_intent.get(claim.hash.hex())
        if slot is not None and (slot.chain, slot.safe, slot.nonce) != (case.chain_id, case.safe, case.tx.nonce):
            reason = f"the intent is bound to nonce {slot.nonce} of {slot.safe} (journal row {slot.row})"
            return Refusal(RefusalTag.INTENT_BOUND, reason, claim.intent.payout)
    return None


def destination_is_a_customers(case: SafeCase) -> Refusal | None:
    """No payout goes to one of our own contracts or to a token's: nobody could fetch it there."""
    for claim in case.claims:
        if claim.script in case.chain.fixed:
            reason = f"{claim.intent.destination} is a Safe, a token or another contract of the policy"
            return Refusal(RefusalTag.DESTINATION_INVALID, reason, claim.intent.payout)
    return None


def transfers_match_intents(case: SafeCase) -> Refusal | None:
    """Every intent is paid by a call of its own, to the base unit, and no call pays what no intent asks for."""
    left = Counter((item.asset, item.to, item.amount) for item in case.tx.of_kind(MovementKind.PAYMENT))
    for claim in case.claims:
        key = (claim.intent.asset, claim.script, claim.intent.amount)
        if not left[key]:
            reason = f"no call pays exactly {claim.intent.amount} to {claim.intent.destination}"
            return Refusal(RefusalTag.INTENT_UNMATCHED, reason, claim.intent.payout)
        left[key] -= 1
    for asset, to, amount in left.elements():
        reason = f"a call pays {amount} of {asset} to 0x{to.hex()}, which no intent asks for"
        return Refusal(RefusalTag.TRANSFER_UNMATCHED, reason)
    return None


def own_movements_once(case: SafeCase) -> Refusal | None:
    """Of one asset there is at most one draw and one sweep."""
    for kind, tag in ((MovementKind.DRAW, RefusalTag.ALLOWANCE_DRAW), (MovementKind.SWEEP, RefusalTag.SWEEP_COUNT)):
        for asset, count in Counter(item.asset for item in case.tx.of_kind(kind)).items():
            if count > 1:
                return Refusal(tag, f"{count} calls are a {kind.value} of {asset}; one does it")
    return None


def draws_pay_intents(case: SafeCase) -> Refusal | None:
    """Of an asset nothing is drawn beyond what the same Safe transaction pays of it.

    So a draw never leaves more in the hot Safe than was there. Without it a thief who only owns the platform could move
    the daily allowance there day after day, until two hot keys are worth more than the house's capital.
    """
    paid = case.tx.sums(MovementKind.PAYMENT)
    for asset, drawn in case.tx.sums(MovementKind.DRAW).items():
        if drawn > paid.get(asset, 0):
            reason = f"{drawn} of {asset} would be drawn, and {paid.get(asset, 0)} of it is paid here"
            return Refusal(RefusalTag.ALLOWANCE_EXCESS, reason)
    return None


def draws_within_day(case: SafeCase) -> Refusal | None:
    """What a rolling day draws, each nonce by its largest draw, stays within the policy's limit of the asset."""
    slot = case.slot
    for item in case.tx.of_kind(MovementKind.DRAW):
        if slot is not None and item.amount <= slot.draws.get(item.asset, (0, 0))[0]:
            continue
        limit = case.limits[item.asset].draw_per_day
        total = case.books.drawn(case.chain_id, item.asset, case.now - DAY_SECONDS, slot) + item.amount
        if total > limit:
            reason = f"the day's draws of {item.asset} would reach {total}, above the limit of {limit}"
            return Refusal(RefusalTag.ALLOWANCE_DAILY, reason)
    return None


SAFE_RULES: Final = (
    book_rules.chain_is_seen,
    nonce_in_reach,
    nonces_within_day,
    nonce_has_room,
    claim_rules.not_repeated,
    claim_rules.not_void,
    claim_rules.payout_bound_once,
    bound_to_this_nonce,
    book_rules.merchant_not_frozen,
    destination_is_a_customers,
    transfers_match_intents,
    own_movements_once,
    draws_pay_intents,
    claim_rules.unexpired,
    claim_rules.fee_within_ceiling,
    claim_rules.limit_payout,
    claim_rules.listed_or_within_cap,
    claim_rules.limit_velocity_merchant,
    claim_rules.limit_velocity_all,
    book_rules.merchant_covers,
    book_rules.house_covers,
    draws_within_day,
)
