"""What goes wrong in a signer: a start that must not happen, and a request that is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom_core.errors import StrongroomError

if TYPE_CHECKING:
    from strongroom_core.refusals import RefusalTag


class SignerError(StrongroomError):
    """The base of every error that a person on the signer's host sees."""

    code = "signer-error"


class KeyFileError(SignerError):
    """The key file is missing, damaged, readable by others, or the passphrase is not its own."""

    code = "key-file"


class KeySetError(SignerError):
    """Three keys that make no key set: not readable, of the wrong network, or equal."""

    code = "key-set"


class PolicyError(SignerError):
    """The policy file cannot be read as a policy, or is not the one that was put in force."""

    code = "policy-invalid"


class EnrolmentError(SignerError):
    """The merchants' file, or a row for it, is not valid."""

    code = "enrolment-invalid"


class DestinationError(SignerError):
    """A text that is no address of that chain."""

    code = "destination-invalid"


class BusyError(SignerError):
    """Another process writes this signer's journal."""

    code = "signer-busy"


class JournalBrokenError(SignerError):
    """The journal does not read as it was written; ``row`` is the first row that is wrong."""

    code = "journal-broken"

    def __init__(self, row: int, message: str) -> None:
        """Name the row."""
        super().__init__(f"journal row {row}: {message}")
        self.row = row


class RefusedError(SignerError):
    """No: the rule that says so, the reason in a sentence, and the payout at fault or nothing."""

    code = "refused"

    def __init__(self, tag: RefusalTag, reason: str, payout: str = "") -> None:
        """Keep what the answer and the journal will say."""
        super().__init__(reason)
        self.tag = tag
        self.reason = reason
        self.payout = payout


class NotJudgedError(RefusedError):
    """No, before anything was judged: whether this journal and this clock can be written with is not known.

    So it is not written down either: a row of a restored journal, or one from a clock gone wrong, could not be undone.
    """
