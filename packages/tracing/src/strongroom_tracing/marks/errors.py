"""What can go wrong with a case's marks."""

from __future__ import annotations

from strongroom_tracing.errors import TracingError


class CaseMissingError(TracingError):
    """The folder holds no case."""

    code = "case-missing"


class CaseDamagedError(TracingError):
    """A case's file holds a line that is no mark."""

    code = "case-damaged"


class CaseBusyError(TracingError):
    """Another process writes to the case."""

    code = "case-busy"


class BadMarkError(TracingError):
    """A mark that says too little, or what cannot be."""

    code = "mark-invalid"


class MarkConflictError(TracingError):
    """The same claim already marks the same place, with other words."""

    code = "mark-conflict"


class NothingMarkedError(TracingError):
    """The case marks nothing on this chain."""

    code = "mark-none"
