"""Payment intents, made and signed on the merchant's side, and verified by whoever holds the public half."""

from __future__ import annotations

import time

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from strongroom_client.errors import SignatureInvalidError
from strongroom_client.keys import MerchantKey
from strongroom_core.amounts import Amount, AssetMismatchError
from strongroom_core.ids import MerchantId, PayoutId
from strongroom_core.intents import InvalidIntentError, PaymentIntent, SignedIntent

DEFAULT_LIFE_SECONDS = 24 * 60 * 60


def make_intent(
    *,
    deployment: str,
    merchant: str,
    amount: Amount,
    destination: str,
    fee_ceiling: Amount,
    tag: str = "",
    payout: PayoutId | None = None,
    expires_at: int | None = None,
) -> PaymentIntent:
    """Make the intent of one payment.

    ``destination`` gets exactly ``amount``; the fee on top is at most ``fee_ceiling``, in the same asset.
    ``expires_at`` is in unix seconds, a day from now by default. ``payout`` is made here unless given: to pay again
    on purpose, make a new one; to repeat a request that got no answer, send the same signed intent again.
    Raises ``AssetMismatchError``, ``InvalidIntentError``.
    """
    if fee_ceiling.asset != amount.asset:
        message = f"the fee ceiling must be in {amount.asset.id}, as the amount is"
        raise AssetMismatchError(message)
    return PaymentIntent(
        deployment=deployment,
        merchant=MerchantId(merchant),
        payout=PayoutId.new() if payout is None else payout,
        asset=amount.asset.id,
        amount=amount.base_units,
        destination=destination,
        tag=tag,
        fee_ceiling=fee_ceiling.base_units,
        expires_at=int(time.time()) + DEFAULT_LIFE_SECONDS if expires_at is None else expires_at,
    )


def sign_intent(intent: PaymentIntent, key: MerchantKey) -> SignedIntent:
    """Sign the canonical bytes of an intent with Ed25519 (RFC 8032)."""
    encoded = intent.encode()
    return SignedIntent(intent=encoded, public_key=key.public_key, signature=key.sign(encoded))


def verify_intent(signed: SignedIntent, public_key: bytes) -> PaymentIntent:
    """Give the intent if the key that *the caller* trusts signed it; the key inside ``signed`` proves nothing.

    Raises ``SignatureInvalidError`` on another key or signature, ``InvalidIntentError`` on bytes that are no intent.
    """
    if signed.public_key != public_key:
        message = "the intent is signed with another key than the enrolled one"
        raise SignatureInvalidError(message)
    try:
        VerifyKey(public_key).verify(signed.intent, signed.signature)
    except (CryptoError, ValueError, TypeError):
        message = "the signature does not fit the intent and the key"
        raise SignatureInvalidError(message) from None
    return PaymentIntent.decode(signed.intent)


def signed_to_json(signed: SignedIntent) -> dict[str, str]:
    """Give the three lower-case hex fields that ``POST /v1/payouts`` takes."""
    return {
        "intent": signed.intent.hex(),
        "public_key": signed.public_key.hex(),
        "signature": signed.signature.hex(),
    }


def signed_from_json(body: object) -> SignedIntent:
    """Read what ``signed_to_json`` gave; other fields are ignored. Raises ``InvalidIntentError``."""
    fields = body if isinstance(body, dict) else {}
    try:
        parts = {name: bytes.fromhex(fields[name]) for name in ("intent", "public_key", "signature")}
    except (KeyError, TypeError, ValueError):
        message = "a signed intent is an object with intent, public_key and signature in hex"
        raise InvalidIntentError(message) from None
    return SignedIntent(**parts)
