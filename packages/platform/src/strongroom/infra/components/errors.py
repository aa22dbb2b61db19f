"""What can go wrong with an embedded component, each with a stable code and what to do."""

from __future__ import annotations

from strongroom_core.errors import StrongroomError


class ComponentError(StrongroomError):
    """An embedded component cannot be found, started or stopped; the message says what to do."""

    code = "component-failed"


class ComponentMissingError(ComponentError):
    """The program of a component is not installed on this machine."""

    code = "component-missing"


class ComponentBusyError(ComponentError):
    """Another running process owns the component's folder."""

    code = "component-busy"


class ComponentStartError(ComponentError):
    """The component's program ended, or did not become ready in time."""

    code = "component-start-failed"


class ComponentStopError(ComponentError):
    """The component's program did not stop in time."""

    code = "component-stop-failed"


class NodeRpcError(ComponentError):
    """The node answered an RPC with an error.

    `rpc_code` is the node's own number (see `rpc/protocol.h` of Bitcoin Core), 0 where it sent none.
    """

    code = "node-rpc-failed"

    def __init__(self, method: str, rpc_code: int, message: str) -> None:
        """Keep the node's number beside the readable text."""
        super().__init__(f"{method}: {message} (node error {rpc_code})")
        self.method = method
        self.rpc_code = rpc_code


class NodeUnreachableError(ComponentError):
    """The node does not answer on its RPC port, or its cookie file is not there yet."""

    code = "node-unreachable"
