"""The rules of the bitcoin-likes: pure functions from a case to a refusal or nothing. All must let a request pass.

To add a rule, write a function and put it into ``RULES``; ``judge`` asks them in that order and gives the first no.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strongroom_core.refusals import RefusalTag
from strongroom_signer import book_rules, claim_rules
from strongroom_signer.books import DAY_SECONDS
from strongroom_signer.keyset import CHANGE_BRANCH
from strongroom_signer.model import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_signer.model import Claim, DecodedTx, Output, OwnInput
    from strongroom_signer.policy import ChainPolicy
    from strongroom_signer.slots import Slot


@dataclass(frozen=True, slots=True)
class Case(claim_rules.ClaimsCase):
    """All that the rules of a bitcoin-like may look at. Nothing in it comes unchecked from the platform."""

    chain: ChainPolicy
    tx: DecodedTx

    @property
    def chain_id(self) -> str:
        """The CAIP-2 id."""
        return self.chain.parameters.chain.id

    @property
    def slot(self) -> Slot | None:
        """The slot that this is a later version of, or nothing."""
        if not self.claims:
            return self.books.sweep_slot(self.chain_id, self.tx.coins)
        return self.books.slot_of_intent.get(self.claims[0].hash.hex())


def judge(case: Case) -> Refusal | None:
    """Give the first rule's no, or nothing where all say yes."""
    return claim_rules.first_refusal(case, RULES)


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


def coins_are_proven(case: Case) -> Refusal | None:
    """Every coin is our own change, or a proven deposit that no reorg reaches any more."""
    for item in case.tx.inputs:
        if not _is_own_change(case, item) and not _is_deep(case, item):
            reason = f"{item.coin[0]}:{item.coin[1]} is neither own change nor proven {case.chain.horizon} blocks deep"
            return Refusal(RefusalTag.COIN_UNPROVEN, reason)
    return None


def _is_own_change(case: Case, item: OwnInput) -> bool:
    return (case.chain_id, *item.coin) in case.books.money.change


def _is_deep(case: Case, item: OwnInput) -> bool:
    deposit = case.books.money.deposits.get((case.chain_id, f"{item.coin[0]}:{item.coin[1]}"))
    if deposit is None or not deposit.live:
        return False
    return case.seen.height - deposit.height + 1 >= case.chain.horizon


def house_covers(case: Case) -> Refusal | None:
    """The house bears the miner's fee of a slot, by its dearest version, and what it pays out itself."""
    slot = case.slot
    more = case.tx.fee - (slot.fee if slot is not None else 0)
    return book_rules.house_covers(case, max(more, 0), case.chain.parameters.asset.id)


def own_outputs(tx: DecodedTx, claims: tuple[Claim, ...]) -> Iterator[Output]:
    """Give the outputs that are left when every intent has taken one of exactly its script and amount."""
    return (output for _, output in numbered_own_outputs(tx, claims))


def numbered_own_outputs(tx: DecodedTx, claims: tuple[Claim, ...]) -> Iterator[tuple[int, Output]]:
    """Give the same with their numbers in the chain tx."""
    wanted = Counter((claim.script, claim.intent.amount) for claim in claims)
    for number, output in enumerate(tx.outputs):
        key = (output.script, output.amount)
        if wanted[key]:
            wanted[key] -= 1
        else:
            yield number, output


RULES: Final = (
    book_rules.chain_is_seen,
    claim_rules.not_repeated,
    claim_rules.not_void,
    claim_rules.payout_bound_once,
    bound_to_this_slot,
    book_rules.merchant_not_frozen,
    outputs_match_intents,
    rest_is_ours,
    rest_is_on_change_branch,
    rest_is_in_reach,
    no_dust,
    coins_are_proven,
    claim_rules.unexpired,
    claim_rules.fee_within_ceiling,
    claim_rules.limit_payout,
    claim_rules.listed_or_within_cap,
    claim_rules.limit_velocity_merchant,
    claim_rules.limit_velocity_all,
    book_rules.merchant_covers,
    fee_rate,
    fee_absolute,
    fee_daily,
    house_covers,
)
