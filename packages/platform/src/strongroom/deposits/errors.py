"""What can go wrong with deposits, each with a stable code."""

from __future__ import annotations

from strongroom_core.errors import StrongroomError


class DepositNotFoundError(StrongroomError):
    """No deposit of that id, or one of somebody else."""

    code = "deposit-not-found"


class DepositMoveError(StrongroomError):
    """An arrow that the table of moves does not have."""

    code = "deposit-move-not-allowed"
