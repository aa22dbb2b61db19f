"""The base of every error of tracing; each room adds its own classes in its own ``errors.py``."""

from __future__ import annotations

from strongroom_core.errors import StrongroomError


class TracingError(StrongroomError):
    """An error of tracing that a caller can act on: a stable ``code``, and a message that says what to do."""

    code = "tracing"
