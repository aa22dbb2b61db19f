"""Pure checks of a signed intent before anything is held. A courtesy: the signers decide, and believe none of it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from strongroom.payouts.errors import (
    PayoutAmountError,
    PayoutDestinationError,
    PayoutExpiredError,
    PayoutFeeError,
    PayoutIntentError,
)
from strongroom_client.errors import SignatureInvalidError
from strongroom_client.signing import verify_intent
from strongroom_core.ids import MerchantId
from strongroom_core.intents import PaymentIntent, SignedIntent

# Both signers have to see it in time; less than this is a payout that would only be refused.
LIFE_MIN: Final = timedelta(seconds=120)
# EVM chains keep the addresses below for code of their own (precompiled contracts).
FIRST_ACCOUNT: Final = 0x10000


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


def check_terms(intent: PaymentIntent, *, least: int, fee: int, now: datetime) -> None:
    """Refuse what would only be refused later: less than nodes relay, a fee ceiling below our fee, too little time.

    ``least`` and ``fee`` are base units of the intent's asset.

    Raises ``PayoutIntentError``, ``PayoutAmountError``, ``PayoutFeeError``, ``PayoutExpiredError``.
    """
    if intent.tag:
        message = f"{intent.asset} cannot be paid out with a tag"
        raise PayoutIntentError(message)
    if intent.amount < least:
        message = f"the amount is below {least} base units, which nodes do not relay"
        raise PayoutAmountError(message)
    if intent.fee_ceiling < fee:
        message = f"our fee is {fee} base units, and the intent allows {intent.fee_ceiling}"
        raise PayoutFeeError(message)
    if expires_at(intent) < now + LIFE_MIN:
        message = f"the intent has to be valid for {int(LIFE_MIN.total_seconds())} seconds at least; sign a new one"
        raise PayoutExpiredError(message)


def check_destination(script: bytes, traps: Collection[bytes]) -> None:
    """Refuse a destination on an account chain that swallows money; the signers refuse it too.

    ``script`` and ``traps`` (our own contracts and the tokens') are 20 bytes. Raises ``PayoutDestinationError``.
    """
    if int.from_bytes(script, "big") < FIRST_ACCOUNT:
        message = "the destination is one of the lowest addresses, which belong to nobody or to the chain itself"
        raise PayoutDestinationError(message)
    if script in traps:
        message = "the destination is a token's own contract or one of ours: nobody there could use the money"
        raise PayoutDestinationError(message)


def expires_at(intent: PaymentIntent) -> datetime:
    """Give an intent's expiry as a time."""
    return datetime.fromtimestamp(intent.expires_at, UTC)
