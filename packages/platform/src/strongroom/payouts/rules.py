"""Pure checks of a signed intent before anything is held. A courtesy: the signers decide, and believe none of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from strongroom.payouts.errors import PayoutAmountError, PayoutExpiredError, PayoutFeeError, PayoutIntentError
from strongroom_client.errors import SignatureInvalidError
from strongroom_client.signing import verify_intent
from strongroom_core.ids import MerchantId
from strongroom_core.intents import PaymentIntent, SignedIntent

# Both signers have to see it in time; less than this is a payout that would only be refused.
LIFE_MIN: Final = timedelta(seconds=120)


def read_intent(signed: SignedIntent, deployment: str, merchant_id: MerchantId) -> PaymentIntent:
    """Decode an intent and check that it is signed, for this installation and merchant.

    Raises ``PayoutIntentError``, ``InvalidIntentError``.
    """
    try:
        intent = verify_intent(signed, signed.public_key)
    except SignatureInvalidError as error:
        raise PayoutIntentError(error.message) from None
    if intent.deployment != deployment:
        message = f"the intent is for the installation {intent.deployment!r}, and this is {deployment!r}"
        raise PayoutIntentError(message)
    if intent.merchant != merchant_id:
        message = "the intent names another merchant than the one whose token was used"
        raise PayoutIntentError(message)
    return intent


def check_terms(intent: PaymentIntent, *, asset: str, dust: int, fee: int, now: datetime) -> None:
    """Refuse what would only be refused later: dust, a fee ceiling below our fee, too little time.

    Raises ``PayoutIntentError``, ``PayoutAmountError``, ``PayoutFeeError``, ``PayoutExpiredError``.
    """
    if intent.asset != asset or intent.tag:
        message = f"{intent.asset} cannot be paid out here, or not with a tag"
        raise PayoutIntentError(message)
    if intent.amount < dust:
        message = f"the amount is below {dust} base units, which nodes do not relay"
        raise PayoutAmountError(message)
    if intent.fee_ceiling < fee:
        message = f"our fee is {fee} base units, and the intent allows {intent.fee_ceiling}"
        raise PayoutFeeError(message)
    if expires_at(intent) < now + LIFE_MIN:
        message = f"the intent has to be valid for {int(LIFE_MIN.total_seconds())} seconds at least; sign a new one"
        raise PayoutExpiredError(message)


def expires_at(intent: PaymentIntent) -> datetime:
    """Give an intent's expiry as a time."""
    return datetime.fromtimestamp(intent.expires_at, UTC)
