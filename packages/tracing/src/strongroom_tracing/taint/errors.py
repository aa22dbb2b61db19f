"""What can go wrong when taint is followed."""

from __future__ import annotations

from strongroom_tracing.errors import TracingError


class BadQuestionError(TracingError):
    """A question that cannot be answered: a mark outside the chain, an amount above the output's, limits below zero."""

    code = "taint-bad-question"


class ConservationError(TracingError):
    """An answer in which money came from nowhere or went nowhere; a fault of this program, never of the data."""

    code = "taint-not-conserved"
