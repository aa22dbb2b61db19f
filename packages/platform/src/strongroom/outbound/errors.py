"""What outbound refuses, with stable codes."""

from __future__ import annotations

from strongroom_core.errors import StrongroomError


class SignerUnreachableError(StrongroomError):
    """A signer did not answer, or not in the way of the protocol; nothing may be concluded from that."""

    code = "signer-unreachable"


class SignerAnswerError(StrongroomError):
    """A signer answered something that cannot be an honest answer to what it was asked."""

    code = "signer-answer-wrong"


class CoinTakenError(StrongroomError):
    """A coin is already an input of another open slot."""

    code = "coin-taken"


class DraftInvalidError(StrongroomError):
    """A planned chain tx that does not add up: a coin that is not ours, a missing previous tx, a negative fee."""

    code = "draft-invalid"


class UnknownSlotError(StrongroomError):
    """No slot of that id."""

    code = "slot-unknown"
