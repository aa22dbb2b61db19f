"""What can go wrong with addresses, each with a stable code."""

from __future__ import annotations

from strongroom_core.errors import StrongroomError


class KeySetChangedError(StrongroomError):
    """The settings name other keys than those that addresses were derived from."""

    code = "key-set-changed"


class KeySetInvalidError(StrongroomError):
    """Keys that cannot make a key set: unreadable, private, of another network, or the same twice."""

    code = "key-set-invalid"


class KeySetUnknownError(StrongroomError):
    """No key set of that kind is recorded for the chain."""

    code = "key-set-unknown"


class BranchUnknownError(StrongroomError):
    """The branch, or the merchant's branch, was never prepared on that chain."""

    code = "branch-unknown"


class AddressNotFoundError(StrongroomError):
    """No address of that id, or one of somebody else."""

    code = "address-not-found"
