"""Ids that say what they are and sort by when they were made: ``inv_01J9…``.

The body is a ULID (https://github.com/ulid/spec): 48 bits of milliseconds since 1970 and 80 random bits, in 26 digits
of Crockford's base 32, in lower case so that an id reads the same in a URL and in a log.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import ClassVar, Final, Self

from strongroom_core.errors import InvalidValueError

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_BODY = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")
_MAX_MS = 2**48 - 1
_PAIRS = [high + low for high in _DIGITS for low in _DIGITS]


class InvalidIdError(InvalidValueError):
    """A text that is no id of that kind."""

    code = "id-invalid"


class Id(str):
    """A prefixed, time-sortable id; subclasses fix the prefix."""

    __slots__ = ()
    prefix: ClassVar[str]

    @classmethod
    def new(cls, at_ms: int | None = None) -> Self:
        """Make a fresh id, at ``at_ms`` milliseconds since 1970 or now. Raises ``InvalidIdError`` beyond 48 bits."""
        moment = time.time_ns() // 1_000_000 if at_ms is None else at_ms
        if not 0 <= moment <= _MAX_MS:
            message = f"the time of an id is 0 to {_MAX_MS} milliseconds since 1970"
            raise InvalidIdError(message)
        value = (moment << 80) | secrets.randbits(80)
        body = "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])
        return cls(f"{cls.prefix}_{body}")

    @classmethod
    def parse(cls, text: object) -> Self:
        """Check a text that came from outside. Raises ``InvalidIdError``."""
        prefix, _, body = text.partition("_") if isinstance(text, str) else ("", "", "")
        if prefix != cls.prefix or not _BODY.fullmatch(body):
            message = f"not a {cls.__name__}: it starts with {cls.prefix}_ and has 26 digits after it"
            raise InvalidIdError(message)
        return cls(text)


class MerchantId(Id):
    """A tenant."""

    __slots__ = ()
    prefix = "mer"


class InvoiceId(Id):
    """A merchant's request to be paid."""

    __slots__ = ()
    prefix = "inv"


class PayoutId(Id):
    """An outgoing payment; made by the merchant, so that it can sign it before we know of it."""

    __slots__ = ()
    prefix = "pay"


class DepositId(Id):
    """One incoming on-chain payment."""

    __slots__ = ()
    prefix = "dep"


class OrderId(Id):
    """A conversion that a merchant signed; made by the merchant."""

    __slots__ = ()
    prefix = "ord"


class AddressId(Id):
    """An address of ours."""

    __slots__ = ()
    prefix = "adr"


class HoldId(Id):
    """A reservation on a balance."""

    __slots__ = ()
    prefix = "hld"


class LedgerTransactionId(Id):
    """An atomic group of postings."""

    __slots__ = ()
    prefix = "ltx"


class SlotId(Id):
    """What binds payouts to at most one effect on chain."""

    __slots__ = ()
    prefix = "slt"


class EndpointId(Id):
    """A merchant's webhook endpoint."""

    __slots__ = ()
    prefix = "whe"


class EventId(Id):
    """A fact told to merchants."""

    __slots__ = ()
    prefix = "evt"


class DeliveryId(Id):
    """One event on its way to one endpoint."""

    __slots__ = ()
    prefix = "dlv"


class TokenId(Id):
    """The public half of an API token."""

    __slots__ = ()
    prefix = "tok"


class RequestId(Id):
    """One request, followed through API, worker and signer."""

    __slots__ = ()
    prefix = "req"


#: The house, where an intent names who pays: what it pays out is signed by a quorum of operators. No merchant gets it.
HOUSE_MERCHANT: Final = MerchantId("mer_00000000000000000000000000")
