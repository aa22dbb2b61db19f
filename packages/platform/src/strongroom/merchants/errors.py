"""What can be wrong with a merchant or its token."""

from __future__ import annotations

from strongroom_core.errors import InvalidValueError, StrongroomError


class MerchantNotFoundError(StrongroomError):
    """No merchant of that id."""

    code = "merchant-not-found"


class InvalidMerchantError(InvalidValueError):
    """A name or label that we do not keep."""

    code = "merchant-invalid"


class TokenInvalidError(StrongroomError):
    """The token is malformed, unknown, wrong or revoked; which of these is not told."""

    code = "token-invalid"


class TokenNotFoundError(StrongroomError):
    """This merchant has no such token."""

    code = "token-not-found"


class ScopeMissingError(StrongroomError):
    """The token is good, but not for this."""

    code = "scope-missing"


class IdempotencyConflictError(StrongroomError):
    """The same idempotency key came with another request."""

    code = "idempotency-conflict"
