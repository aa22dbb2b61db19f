"""What can go wrong with a chain, each with its stable code."""

from __future__ import annotations

from strongroom_core.errors import InvalidValueError, StrongroomError


class ChainError(StrongroomError):
    """Something about a chain."""

    code = "chain-error"


class AddressError(ChainError, InvalidValueError):
    """A text that is no address of the chain."""

    code = "address-invalid"


class BlockFormatError(ChainError, InvalidValueError):
    """Bytes that are no block or chain tx: cut short, too long, or against the format."""

    code = "block-malformed"


class BlockMismatchError(ChainError):
    """A block that is not the one asked for, or whose chain txs are not those of its header."""

    code = "block-mismatch"


class NodeError(ChainError):
    """The node could not do what it was asked."""

    code = "node-error"


class NodeDownError(NodeError):
    """No answer: not running, unreachable, or too slow."""

    code = "node-down"


class NodeWarmingUpError(NodeDownError):
    """The node is starting and answers nothing yet."""

    code = "node-warming-up"


class NodeAuthError(NodeError):
    """The node refused our cookie, or the cookie file cannot be read."""

    code = "node-unauthorized"


class NodeRefusedError(NodeError):
    """The node answered a call with an error; ``number`` is its own code, ``data`` what it added."""

    code = "node-refused"

    def __init__(self, message: str, number: int = 0, data: object = None) -> None:
        """Keep the node's own number."""
        super().__init__(message)
        self.number = number
        self.data = data


class CallRevertedError(NodeError):
    """A contract refused a call, or a chain tx would fail.

    ``data`` is what it returned, such as ABI ``Error(string)``.
    """

    code = "call-reverted"

    def __init__(self, message: str, data: bytes = b"") -> None:
        """Keep what the contract returned."""
        super().__init__(message)
        self.data = data


class EndpointsDisagreeError(NodeError):
    """Fewer of a chain's endpoints say the same than have to: nothing is believed meanwhile."""

    code = "endpoints-disagree"


class BroadcastRejectedError(NodeError):
    """The node does not accept a chain tx; ``reason`` is its own word, such as ``txn-mempool-conflict``."""

    code = "broadcast-rejected"

    def __init__(self, reason: str) -> None:
        """Keep the node's reason."""
        super().__init__(f"the node does not accept this chain tx: {reason}")
        self.reason = reason


class WrongNetworkError(NodeError):
    """The node is on another chain than the settings say."""

    code = "wrong-network"


class ScanBusyError(NodeError):
    """The node runs another scan of its unspent outputs."""

    code = "scan-busy"


class WatcherBusyError(ChainError):
    """Another watcher writes the facts of this chain."""

    code = "watcher-busy"
