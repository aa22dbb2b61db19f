"""Why the books say no."""

from __future__ import annotations

from strongroom_core.errors import InvalidValueError, StrongroomError


class InvalidPostingError(InvalidValueError):
    """A posting, transaction or account that the books cannot hold: a mistake of the calling code."""

    code = "posting-invalid"


class IdempotencyConflictError(StrongroomError):
    """The key was used before with another input; use a fresh key for another request."""

    code = "idempotency-conflict"


class InsufficientFundsError(StrongroomError):
    """A ledger account would leave the bounds of its type; nothing was posted."""

    code = "insufficient-funds"


class HoldClosedError(StrongroomError):
    """The hold was captured, released or expired before; nothing was posted."""

    code = "hold-closed"


class HoldExceededError(StrongroomError):
    """More than is left of the hold; nothing was posted."""

    code = "hold-exceeded"


class HoldUnknownError(StrongroomError):
    """There is no such hold on that ledger account."""

    code = "hold-unknown"
