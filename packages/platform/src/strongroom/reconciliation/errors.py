"""What can go wrong with the comparison itself."""

from __future__ import annotations

from strongroom_core.errors import StrongroomError


class JournalReadError(StrongroomError):
    """A signer answered a request for its journal with something else."""

    code = "journal-unreadable"
