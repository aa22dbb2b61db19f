"""Errors of clusters, with stable codes."""

from __future__ import annotations

from strongroom_tracing.errors import TracingError


class UnknownAddressError(TracingError):
    """An address number that the chain does not have."""

    code = "unknown-address-number"


class ClustersMissingError(TracingError):
    """No clusters are saved in this folder."""

    code = "clusters-missing"


class ClustersDamagedError(TracingError):
    """Saved clusters do not fit together, or not with the index."""

    code = "clusters-damaged"


class ClustersBusyError(TracingError):
    """Another process makes the clusters of this folder."""

    code = "clusters-busy"
