"""Why a change of the policy or of the merchants is refused: one class and one stable code a reason."""

from __future__ import annotations

from strongroom_signer.errors import SignerError


class StatementError(SignerError):
    """A change that is not made, and nothing has changed."""

    code = "statement-refused"


class StatementMissingError(StatementError):
    """The policy asks for operators, and none signed."""

    code = "statement-missing"


class OtherDeploymentError(StatementError):
    """The statement is for another installation."""

    code = "statement-deployment"


class OtherSignerError(StatementError):
    """The statement is for another signer; each has its own nonce, so each has its own statement."""

    code = "statement-signer"


class OtherDocumentError(StatementError):
    """The statement is about the other document."""

    code = "statement-document"


class OtherTextError(StatementError):
    """The operators signed another text."""

    code = "statement-hash"


class OperatorsMissingError(StatementError):
    """Too few operators of the policy in force signed."""

    code = "operators-missing"


class SequenceError(StatementError):
    """The statement is not the next one: an old one again, or one that was made in advance."""

    code = "statement-sequence"


class NonceUnknownError(StatementError):
    """The nonce was never issued here, was used, or was replaced by many others."""

    code = "nonce-unknown"


class NonceExpiredError(StatementError):
    """The nonce was issued more than a day ago: the statement was signed in advance."""

    code = "nonce-expired"


class TimeLockError(StatementError):
    """The policy's time-lock is shorter than that of genesis."""

    code = "time-lock-short"


class NothingPendingError(StatementError):
    """There is nothing to cancel."""

    code = "nothing-pending"


class OtherChangeError(StatementError):
    """The cancellation is of a change that does not wait."""

    code = "cancellation-other"


class ClockError(StatementError):
    """This host's clock stands before the journal's last row."""

    code = "clock"
