"""What can go wrong with the comparison itself."""

from __future__ import annotations

from strongroom_core.errors import StrongroomError


class JournalReadError(StrongroomError):
    """A signer answered a request for its journal with something else."""

    code = "journal-unreadable"


class NotPaidInError(StrongroomError):
    """More is said to have been taken out of a relayer than was ever found in it."""

    code = "relayer-not-paid-in"
