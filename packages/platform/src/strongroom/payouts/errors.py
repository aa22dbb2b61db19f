"""Why a payout is not taken, with stable codes."""

from __future__ import annotations

from strongroom_core.errors import InvalidValueError, StrongroomError


class PayoutNotFoundError(StrongroomError):
    """This merchant has no payout of that id."""

    code = "payout-not-found"


class PayoutConflictError(StrongroomError):
    """The payout id stands for another signed intent; make a fresh id to pay again."""

    code = "payout-conflict"


class PayoutIntentError(InvalidValueError):
    """The signed intent is not for this merchant here: wrong deployment, merchant, signature or asset."""

    code = "payout-intent-invalid"


class PayoutAmountError(InvalidValueError):
    """The amount is too small to be sent on its chain."""

    code = "payout-amount-dust"


class PayoutDestinationError(InvalidValueError):
    """The destination would swallow the money: nobody's account, a token's own contract, or a contract of ours."""

    code = "payout-destination-unsafe"


class PayoutFeeError(InvalidValueError):
    """The signed fee ceiling is below our fee; sign again with a higher one."""

    code = "payout-fee-ceiling"


class PayoutExpiredError(InvalidValueError):
    """The intent has expired, or is about to; sign a new one."""

    code = "payout-expired"


class PayoutsStoppedError(StrongroomError):
    """Payouts are stopped, for everyone or for a merchant that owes us; nothing was held."""

    code = "payouts-stopped"


class PayoutNotCancellableError(StrongroomError):
    """The payout is in a chain tx already, or at its end."""

    code = "payout-not-cancellable"
