"""What can be wrong with an invoice."""

from __future__ import annotations

from strongroom_core.errors import InvalidValueError, StrongroomError


class InvoiceNotFoundError(StrongroomError):
    """This merchant has no such invoice."""

    code = "invoice-not-found"


class InvalidInvoiceError(InvalidValueError):
    """A request with a field that we do not take."""

    code = "invoice-invalid"


class InvoiceAmountError(InvalidInvoiceError):
    """An amount below what is credited at all, or above what exists."""

    code = "invoice-amount-out-of-range"


class InvoicesStoppedError(StrongroomError):
    """An operator has stopped new invoices."""

    code = "invoices-stopped"


class InvoiceNotCancellableError(StrongroomError):
    """The invoice is beyond cancelling: money is on its way, or it is over."""

    code = "invoice-not-cancellable"


class InvoiceNotHeldError(StrongroomError):
    """The invoice does not wait for its asset to be at par, so there is nothing to decide."""

    code = "invoice-not-held"


class IdempotencyConflictError(StrongroomError):
    """The same idempotency key came with another request."""

    code = "idempotency-conflict"


class IllegalMoveError(StrongroomError):
    """A change of status that the table of moves does not have: a bug, never a user's fault."""

    code = "invoice-illegal-move"
