"""The conversion order: what a merchant gives for what, exactly, as bytes that read in one way only.

Encoding, version 1. The domain tag ``strongroom conversion-order v1`` and a zero byte, then eight fields in this order
(see ``strongroom_core.fields``):

    deployment, merchant, order, sell_asset, sell_amount, buy_asset, buy_amount, expires_at

``decode`` accepts only what ``encode`` makes. A signature is Ed25519 (RFC 8032) over these bytes; the hash that names
an order is their SHA-256. Vectors: ``tests/vectors/conversion_order_v1.json``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Self

from strongroom_core.amounts import MAX_BASE_UNITS
from strongroom_core.errors import InvalidValueError
from strongroom_core.fields import join, split
from strongroom_core.ids import InvalidIdError, MerchantId, OrderId
from strongroom_core.intents import MAX_ENCODED_BYTES, MAX_EXPIRES_AT

DOMAIN_TAG: Final = b"strongroom conversion-order v1\x00"
_FIELDS: Final = 8
_LIMITS: Final = {"deployment": 64, "sell_asset": 200, "buy_asset": 200}
_NUMBERS: Final = {"sell_amount": MAX_BASE_UNITS, "buy_amount": MAX_BASE_UNITS, "expires_at": MAX_EXPIRES_AT}


class InvalidOrderError(InvalidValueError):
    """An order, or its bytes, that break the format."""

    code = "order-malformed"


@dataclass(frozen=True, slots=True)
class ConversionOrder:
    """One conversion, exactly: the merchant gives ``sell_amount`` and gets ``buy_amount``, both in base units.

    ``deployment`` names the installation; assets are CAIP-19 ids; ``expires_at`` is in unix seconds. There is no price
    in it: the two amounts are the price.
    """

    deployment: str
    merchant: MerchantId
    order: OrderId
    sell_asset: str
    sell_amount: int
    buy_asset: str
    buy_amount: int
    expires_at: int

    def __post_init__(self) -> None:
        """Refuse what cannot be encoded in exactly one way. Raises ``InvalidOrderError``."""
        for name, high in _LIMITS.items():
            value = getattr(self, name)
            if not isinstance(value, str) or not 1 <= len(value) <= high:
                message = f"{name} must be 1 to {high} printable ASCII characters without blanks"
                raise InvalidOrderError(message)
        for name, most in _NUMBERS.items():
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= most:
                message = f"{name} must be an integer from 1 to {most}"
                raise InvalidOrderError(message)
        if self.sell_asset == self.buy_asset:
            message = "an order converts one asset into another"
            raise InvalidOrderError(message)
        self._check_texts()

    def _check_texts(self) -> None:
        try:
            MerchantId.parse(self.merchant)
            OrderId.parse(self.order)
            self.encode()
        except (InvalidIdError, ValueError) as error:
            raise InvalidOrderError(str(error)) from None

    def encode(self) -> bytes:
        """Give the canonical bytes that are signed."""
        fields = (
            self.deployment,
            str(self.merchant),
            str(self.order),
            self.sell_asset,
            self.sell_amount,
            self.buy_asset,
            self.buy_amount,
            self.expires_at,
        )
        return join(DOMAIN_TAG, fields)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read canonical bytes; anything that ``encode`` would not have made raises ``InvalidOrderError``."""
        try:
            if len(data) > MAX_ENCODED_BYTES:
                message = f"an order has at most {MAX_ENCODED_BYTES} bytes"
                raise InvalidOrderError(message)
            fields = split(DOMAIN_TAG, _FIELDS, data)
            texts = {at: fields[at].decode("ascii") for at in (0, 1, 2, 3, 5)}
        except ValueError as error:
            raise InvalidOrderError(str(error)) from None
        sold, bought, expires_at = (int.from_bytes(fields[at], "big") for at in (4, 6, 7))
        order = cls(texts[0], MerchantId(texts[1]), OrderId(texts[2]), texts[3], sold, texts[5], bought, expires_at)
        if order.encode() != data:
            message = "the order is not in its canonical form"
            raise InvalidOrderError(message)
        return order

    @property
    def hash(self) -> bytes:
        """The SHA-256 of the canonical bytes; it names the order."""
        return hashlib.sha256(self.encode()).digest()
