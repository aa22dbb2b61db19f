"""What can go wrong with proofs, each with a stable code."""

from __future__ import annotations

from strongroom_core.errors import StrongroomError


class UnprovableError(StrongroomError):
    """Our own node cannot prove it now: the block has just left its chain, or it does not hold what it should."""

    code = "proof-unavailable"
