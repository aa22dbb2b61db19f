"""The base of every error with a stable code.

A code is part of the contract: it never changes its meaning and is never reused. The text may change.
"""

from __future__ import annotations

from typing import ClassVar


class StrongroomError(Exception):
    """An error that a caller can act on: a stable ``code``, and a message that says what to do."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str) -> None:
        """Keep the message; it is shown to users and must hold no secret."""
        super().__init__(message)
        self.message = message


class InvalidValueError(StrongroomError, ValueError):
    """A value that breaks the rules of its type."""

    code = "invalid-value"
