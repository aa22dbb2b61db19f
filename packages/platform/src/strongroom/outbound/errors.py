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


class ColdTransactionError(StrongroomError):
    """A transaction of the cold Safe that is none of those that can be proposed and booked."""

    code = "cold-transaction-unknown"


class ColdSignatureError(StrongroomError):
    """A signature that no owner of the cold Safe made for this transaction, or two of one owner."""

    code = "cold-signature-wrong"


class ColdNonceError(StrongroomError):
    """The cold Safe's nonce is another one now: propose it again, or send what stands before it first."""

    code = "cold-nonce-wrong"


class ColdSimulationError(StrongroomError):
    """The chain would not execute it now; nothing was sent."""

    code = "cold-simulation-failed"


class ColdCapitalError(StrongroomError):
    """A withdrawal of more than the house has of its own."""

    code = "cold-beyond-capital"
