"""The payment intent: the exact payment that a merchant signs, as bytes that read in one way only.

Encoding, version 1. The domain tag ``strongroom payment-intent v1`` and a zero byte, then nine fields in this order,
each as a 4-byte big-endian length and that many bytes:

    deployment, merchant, payout, asset, amount, destination, tag, fee_ceiling, expires_at

Texts are printable ASCII. Numbers are unsigned, big-endian, without leading zero bytes (zero is the empty string).
Lengths make the encoding injective; ``decode`` accepts only what ``encode`` makes. A signature is Ed25519 (RFC 8032)
over these bytes; the hash that names an intent is their SHA-256. Vectors: ``tests/vectors/payment_intent_v1.json``.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

from strongroom_core.amounts import MAX_BASE_UNITS
from strongroom_core.errors import InvalidValueError
from strongroom_core.ids import InvalidIdError, MerchantId, PayoutId

DOMAIN_TAG: Final = b"strongroom payment-intent v1\x00"
MAX_ENCODED_BYTES: Final = 2048
# Unix seconds; 2106-02-07, the last that a bitcoin header's 32 bits can say.
MAX_EXPIRES_AT: Final = 2**32 - 1
SIGNATURE_BYTES: Final = 64
PUBLIC_KEY_BYTES: Final = 32
_FIELDS: Final = 9
_LIMITS: Final = {"deployment": (1, 64), "asset": (1, 200), "destination": (1, 128), "tag": (0, 64)}
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]*")


class InvalidIntentError(InvalidValueError):
    """An intent, or its bytes, that break the format."""

    code = "intent-malformed"


@dataclass(frozen=True, slots=True)
class PaymentIntent:
    """One payment, exactly.

    ``deployment`` names the installation, so that an intent for a test system is worth nothing elsewhere; ``asset`` is
    a CAIP-19 id; ``amount`` is what the destination gets and ``fee_ceiling`` the most that the merchant pays on top,
    both in base units; ``destination`` is address text; ``tag`` is a destination tag or memo, or empty; ``expires_at``
    is in unix seconds.
    """

    deployment: str
    merchant: MerchantId
    payout: PayoutId
    asset: str
    amount: int
    destination: str
    tag: str
    fee_ceiling: int
    expires_at: int

    def __post_init__(self) -> None:
        """Refuse what cannot be encoded in exactly one way. Raises ``InvalidIntentError``."""
        for name, (low, high) in _LIMITS.items():
            _check_text(name, getattr(self, name), low, high)
        _check_number("amount", self.amount, 1, MAX_BASE_UNITS)
        _check_number("fee_ceiling", self.fee_ceiling, 0, MAX_BASE_UNITS)
        _check_number("expires_at", self.expires_at, 1, MAX_EXPIRES_AT)
        try:
            MerchantId.parse(self.merchant)
            PayoutId.parse(self.payout)
        except InvalidIdError as error:
            raise InvalidIntentError(error.message) from None

    def encode(self) -> bytes:
        """Give the canonical bytes that are signed."""
        fields = (
            self.deployment.encode("ascii"),
            self.merchant.encode("ascii"),
            self.payout.encode("ascii"),
            self.asset.encode("ascii"),
            _number(self.amount),
            self.destination.encode("ascii"),
            self.tag.encode("ascii"),
            _number(self.fee_ceiling),
            _number(self.expires_at),
        )
        return DOMAIN_TAG + b"".join(len(field).to_bytes(4, "big") + field for field in fields)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read canonical bytes; anything that ``encode`` would not have made raises ``InvalidIntentError``."""
        fields = _split(data)
        try:
            texts = [fields[i].decode("ascii") for i in (0, 1, 2, 3, 5, 6)]
        except UnicodeDecodeError:
            message = "a text of the intent is not ASCII"
            raise InvalidIntentError(message) from None
        intent = cls(
            deployment=texts[0],
            merchant=MerchantId(texts[1]),
            payout=PayoutId(texts[2]),
            asset=texts[3],
            amount=int.from_bytes(fields[4], "big"),
            destination=texts[4],
            tag=texts[5],
            fee_ceiling=int.from_bytes(fields[7], "big"),
            expires_at=int.from_bytes(fields[8], "big"),
        )
        if intent.encode() != data:
            message = "the intent is not in its canonical form"
            raise InvalidIntentError(message)
        return intent

    @property
    def hash(self) -> bytes:
        """The SHA-256 of the canonical bytes; it names the intent."""
        return hashlib.sha256(self.encode()).digest()


@dataclass(frozen=True, slots=True)
class SignedIntent:
    """Canonical bytes, the Ed25519 public key (32 bytes) that signed them, and the signature (64 bytes).

    Nothing is verified here: core holds no cryptography. Whoever acts on it verifies with a key that it enrolled
    itself.
    """

    intent: bytes
    public_key: bytes
    signature: bytes

    def __post_init__(self) -> None:
        """Refuse lengths that no signature has. Raises ``InvalidIntentError``."""
        if len(self.public_key) != PUBLIC_KEY_BYTES or len(self.signature) != SIGNATURE_BYTES:
            message = "an Ed25519 public key has 32 bytes and a signature 64"
            raise InvalidIntentError(message)
        if len(self.intent) > MAX_ENCODED_BYTES:
            message = f"an intent has at most {MAX_ENCODED_BYTES} bytes"
            raise InvalidIntentError(message)


def _check_text(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, str) or not low <= len(value) <= high or not _PRINTABLE.fullmatch(value):
        message = f"{name} must be {low} to {high} printable ASCII characters without blanks"
        raise InvalidIntentError(message)


def _check_number(name: str, value: int, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        message = f"{name} must be an integer from {low} to {high}"
        raise InvalidIntentError(message)


def _number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _split(data: bytes) -> list[bytes]:
    if len(data) > MAX_ENCODED_BYTES or not data.startswith(DOMAIN_TAG):
        message = "these bytes do not start as a payment intent of version 1"
        raise InvalidIntentError(message)
    fields: list[bytes] = []
    position = len(DOMAIN_TAG)
    while position < len(data):
        end = position + 4 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data) or position + 4 > len(data):
            message = "the intent ends in the middle of a field"
            raise InvalidIntentError(message)
        fields.append(data[position + 4 : end])
        position = end
    if len(fields) != _FIELDS:
        message = f"an intent has {_FIELDS} fields, not {len(fields)}"
        raise InvalidIntentError(message)
    return fields
