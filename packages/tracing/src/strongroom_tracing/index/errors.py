"""What can go wrong with an index and what to do about it."""

from __future__ import annotations

from strongroom_tracing.errors import TracingError


class BadBlockError(TracingError):
    """Bytes that are no block of such a chain, or a block that does not fit on the one before it."""

    code = "block-bad"


class ChainMovedError(BadBlockError):
    """A block does not follow the one before it: the chain changed while it was read."""

    code = "chain-moved"


class UnknownOutputError(TracingError):
    """No such output is in the index."""

    code = "output-unknown"


class WrongChainError(TracingError):
    """The source follows another chain than the index."""

    code = "chain-other"


class IndexBusyError(TracingError):
    """Another process builds this index, or reads it while it has to change."""

    code = "index-busy"


class IndexMissingError(TracingError):
    """There is no index in this folder."""

    code = "index-missing"


class IndexDamagedError(IndexMissingError):
    """Files of the index are missing, cut short or no such files: build it anew in another folder."""

    code = "index-damaged"


class IndexOutdatedError(IndexMissingError):
    """The index in this folder is of another release: build it anew, from its own Parquet files if nothing else."""

    code = "index-outdated"


class SourceError(TracingError):
    """The source of blocks cannot be read."""

    code = "source-unreadable"
