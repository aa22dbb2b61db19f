"""What the treasury refuses, with stable codes."""

from __future__ import annotations

from strongroom_core.errors import StrongroomError


class PayableBoundError(StrongroomError):
    """The payout is in a chain tx that signers may have signed: it can no longer be taken back."""

    code = "payout-bound"


class UnknownPayableError(StrongroomError):
    """No such payable."""

    code = "payable-unknown"


class CoinsBehindError(StrongroomError):
    """Our record of coins is older than what outbound knows of the chain; planning starts over a moment later."""

    code = "coins-behind"
