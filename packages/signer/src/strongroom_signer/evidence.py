"""From a signed intent to a claim: who signed what, under which enrolled key, to be paid to which script."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from strongroom_core.ids import HOUSE_MERCHANT
from strongroom_core.intents import InvalidIntentError, PaymentIntent
from strongroom_core.refusals import RefusalTag
from strongroom_signer.destination import payee
from strongroom_signer.enrolment import Caps
from strongroom_signer.errors import DestinationError, RefusedError
from strongroom_signer.model import Claim

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from strongroom_core.intents import SignedIntent
    from strongroom_signer.chains import ChainParameters
    from strongroom_signer.enrolment import EnrolledMerchant, Enrolment
    from strongroom_signer.evm_chains import EvmParameters
    from strongroom_signer.policy import AssetLimits


@dataclass(frozen=True, slots=True)
class Terms:
    """What all intents of a request must be for: this deployment, this chain, one of these assets (CAIP-19).

    ``off`` are the rules that the policy of a test network switched off. The house pays where ``quorum`` of
    ``operators`` (Ed25519 keys) sign, within ``limits``.
    """

    deployment: str
    chain: ChainParameters | EvmParameters
    assets: Collection[str]
    off: frozenset[RefusalTag] = field(default=frozenset(), kw_only=True)
    operators: tuple[bytes, ...] = field(default=(), kw_only=True)
    quorum: int = field(default=0, kw_only=True)
    limits: Mapping[str, AssetLimits] = field(default_factory=dict, kw_only=True)


def read_claims(evidence: Iterable[SignedIntent], terms: Terms, enrolment: Enrolment) -> tuple[Claim, ...]:
    """Judge all evidence of a request, each on its own; the house's, of several operators, together.

    Raises ``RefusedError`` as ``read_claim`` and ``read_house_claim`` do.
    """
    claims: list[Claim] = []
    by_operators: dict[bytes, list[SignedIntent]] = {}
    for item in evidence:
        if is_of_the_house(item):
            by_operators.setdefault(item.intent, []).append(item)
        else:
            claims.append(read_claim(item, terms, enrolment))
    return (*claims, *(read_house_claim(items, terms) for items in by_operators.values()))


def is_of_the_house(evidence: SignedIntent) -> bool:
    """Whether it says that the house pays. Raises ``RefusedError`` (intent-malformed)."""
    return HOUSE_MERCHANT.encode("ascii") in evidence.intent and decode_intent(evidence).merchant == HOUSE_MERCHANT


def read_house_claim(evidence: Sequence[SignedIntent], terms: Terms) -> Claim:
    """Judge an intent by which the house pays: one signature of each of enough operators over the same bytes.

    Raises ``RefusedError``: intent-unsigned (not an operator's), intent-repeated (one operator twice),
    approvals-missing (fewer than the policy's quorum; at least one, also where that is zero), and as ``read_claim``.
    """
    intent = decode_intent(evidence[0])
    _check_deployment(intent, terms.deployment)
    _check_asset(intent, terms)
    if RefusalTag.INTENT_UNSIGNED not in terms.off:
        _check_operators(intent, evidence, terms)
    limits = terms.limits[intent.asset]
    caps = Caps(intent.asset, limits.per_payout, limits.per_window, limits.per_window, ())
    return Claim(intent, intent.hash, _script(intent, terms.chain), caps, evidence[0], tuple(evidence[1:]))


def _check_operators(intent: PaymentIntent, evidence: Sequence[SignedIntent], terms: Terms) -> None:
    signers = {item.public_key for item in evidence}
    if len(signers) != len(evidence):
        raise RefusedError(RefusalTag.INTENT_REPEATED, "one operator's signature stands twice", intent.payout)
    if not signers <= set(terms.operators) or not all(map(is_signed, evidence)):
        reason = "the house pays by signatures of the policy's operators, and one of these is none"
        raise RefusedError(RefusalTag.INTENT_UNSIGNED, reason, intent.payout)
    wanted = max(terms.quorum, 1)
    if len(signers) < wanted and RefusalTag.APPROVALS_MISSING not in terms.off:
        reason = f"the house pays where {wanted} operators sign, and {len(signers)} did"
        raise RefusedError(RefusalTag.APPROVALS_MISSING, reason, intent.payout)


def read_claim(evidence: SignedIntent, terms: Terms, enrolment: Enrolment) -> Claim:
    """Judge one piece of evidence on its own. Raises ``RefusedError`` with the tag of the first rule that says no."""
    intent = decode_intent(evidence)
    _check_deployment(intent, terms.deployment)
    _check_asset(intent, terms)
    merchant, caps = _enrolled(intent, enrolment)
    if RefusalTag.INTENT_UNSIGNED not in terms.off:
        _check_signature(intent, evidence, merchant)
    return Claim(intent, intent.hash, _script(intent, terms.chain), caps, evidence)


def decode_intent(evidence: SignedIntent) -> PaymentIntent:
    """Read the canonical bytes. Raises ``RefusedError`` (intent-malformed)."""
    try:
        return PaymentIntent.decode(evidence.intent)
    except InvalidIntentError as error:
        raise RefusedError(RefusalTag.INTENT_MALFORMED, error.message) from None


def _check_deployment(intent: PaymentIntent, deployment: str) -> None:
    if intent.deployment != deployment:
        reason = f"the intent is for the deployment {intent.deployment}, and this is {deployment}"
        raise RefusedError(RefusalTag.INTENT_DEPLOYMENT, reason, intent.payout)


def _check_asset(intent: PaymentIntent, terms: Terms) -> None:
    if intent.asset not in terms.assets:
        reason = f"the intent pays {intent.asset}, which this policy does not have on {terms.chain.chain.name}"
        raise RefusedError(RefusalTag.ASSET_UNKNOWN, reason, intent.payout)


def _enrolled(intent: PaymentIntent, enrolment: Enrolment) -> tuple[EnrolledMerchant, Caps]:
    merchant = enrolment.get(intent.merchant)
    if merchant is None:
        reason = f"{intent.merchant} is not enrolled on this signer's host"
        raise RefusedError(RefusalTag.MERCHANT_UNKNOWN, reason, intent.payout)
    caps = merchant.caps.get(intent.asset)
    if caps is None:
        reason = f"{intent.merchant} has no caps for {intent.asset} on this signer's host"
        raise RefusedError(RefusalTag.ASSET_UNKNOWN, reason, intent.payout)
    return merchant, caps


def _check_signature(intent: PaymentIntent, evidence: SignedIntent, merchant: EnrolledMerchant) -> None:
    if evidence.public_key != merchant.public_key or not is_signed(evidence):
        reason = f"the intent is not signed by the key that {intent.merchant} enrolled"
        raise RefusedError(RefusalTag.INTENT_UNSIGNED, reason, intent.payout)


def is_signed(evidence: SignedIntent) -> bool:
    """Whether the Ed25519 signature (RFC 8032) verifies under the key that the evidence names."""
    try:
        VerifyKey(evidence.public_key).verify(evidence.intent, evidence.signature)
    except CryptoError:
        return False
    return True


def _script(intent: PaymentIntent, chain: ChainParameters | EvmParameters) -> bytes:
    if intent.tag:
        reason = f"{chain.chain.name} has no destination tags; a payment that needs one would be lost"
        raise RefusedError(RefusalTag.DESTINATION_INVALID, reason, intent.payout)
    try:
        return payee(intent.destination, chain)
    except DestinationError as error:
        raise RefusedError(RefusalTag.DESTINATION_INVALID, error.message, intent.payout) from None
