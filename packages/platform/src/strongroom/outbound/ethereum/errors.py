"""What the relayer refuses, with stable codes."""

from __future__ import annotations

from strongroom_core.errors import StrongroomError


class RelayConflictError(StrongroomError):
    """A reference that was submitted before with another call: one reference has one effect."""

    code = "relay-conflict"


class UnknownRelayError(StrongroomError):
    """No relay of that chain, purpose and reference."""

    code = "relay-unknown"


class RelayMoveError(StrongroomError):
    """A move that the table of moves does not allow: a bug, or two processes at once; nothing was changed."""

    code = "relay-move-not-allowed"


class RelayerKeyError(StrongroomError):
    """A relayer's key file is missing, readable by others, or no key; the message names the file, never its content."""

    code = "relayer-key-invalid"
