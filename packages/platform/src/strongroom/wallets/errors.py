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


class AddressDisputedError(StrongroomError):
    """A signer derives other addresses than we do, so none is handed out of that branch until people have looked."""

    code = "address-disputed"


class AssetChangedError(StrongroomError):
    """The settings give an asset other decimals than those that money on record was counted in."""

    code = "asset-changed"


class AssetMissingError(StrongroomError):
    """There is money on record in a token that the settings name no more."""

    code = "asset-missing"


class HotFrozenError(StrongroomError):
    """Nothing may be handed out from hot now: the books do not cover what is there."""

    code = "hot-frozen"


class AddressNotFoundError(StrongroomError):
    """No address of that id, or one of somebody else."""

    code = "address-not-found"
