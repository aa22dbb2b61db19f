"""What can go wrong with account chains; every class has a stable code."""

from __future__ import annotations

from strongroom_tracing.errors import TracingError


class AccountsError(TracingError):
    """An error of the account chains."""

    code = "accounts"


class SourceError(AccountsError):
    """A node or a file that gives something else than it should."""

    code = "accounts-source"


class NodeRefusesError(SourceError):
    """A node that answers a call with an error."""

    code = "accounts-node-refuses"


class ReorgedError(AccountsError):
    """A chain whose blocks changed while they were read; reading again goes on from the fork."""

    code = "accounts-reorged"


class ForeignChainError(AccountsError):
    """An index of another chain, or of one that has no block in common with the source."""

    code = "accounts-foreign-chain"


class BrokenIndexError(AccountsError):
    """Files of an index that are missing or not what its manifest says."""

    code = "accounts-broken-index"


class IndexBusyError(AccountsError):
    """Another process builds the index."""

    code = "accounts-index-busy"


class UnknownTransferError(AccountsError):
    """No transfer of that name is in the index."""

    code = "accounts-unknown-transfer"


class QuestionError(AccountsError):
    """A question that contradicts itself or the index."""

    code = "accounts-question"


class OutOfRangeError(QuestionError):
    """A number of a question beyond what any chain has."""

    code = "accounts-out-of-range"


class OpenEntryError(QuestionError):
    """A case of several claims, one of which marks money that is still to come, at the age of its entry."""

    code = "accounts-open-entry"


class NotConservedError(AccountsError):
    """An answer whose sums do not add up: a bug, and nothing of it may be used."""

    code = "accounts-not-conserved"
