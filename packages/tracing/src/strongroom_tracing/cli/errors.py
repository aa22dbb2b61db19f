"""What can go wrong with a command itself."""

from __future__ import annotations

from strongroom_tracing.errors import TracingError


class UsageError(TracingError):
    """Options that do not go together, or one that cannot be read."""

    code = "usage"


class ListsMissingError(TracingError):
    """No lists of tags are there, so that no service would be known."""

    code = "lists-missing"
