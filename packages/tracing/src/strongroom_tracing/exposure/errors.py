"""Errors of exposure, with stable codes."""

from __future__ import annotations

from strongroom_tracing.errors import TracingError


class UnknownOutputNumberError(TracingError):
    """An output number that the chain does not have."""

    code = "unknown-output-number"
