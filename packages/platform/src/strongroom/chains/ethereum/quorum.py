"""Answers that money is decided by: believed where enough endpoints give the same, as of one and the same block.

A tag is made a block once, one that enough endpoints have; then all of those are asked about that very block at once. A
contract's refusal is an answer as any other: what it returned has to be the same. One that answers otherwise is blamed
(an alarm with its name); where too few agree nothing is believed, and that is an alarm too.
"""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import structlog

from strongroom.chains.errors import CallRevertedError, EndpointsDisagreeError, NodeError, NodeRefusedError
from strongroom.chains.ethereum.endpoint import Endpoint, Trouble
from strongroom.chains.ethereum.endpoints import Agreed, Endpoints
from strongroom.chains.ethereum.model import Place, Receipt
from strongroom.chains.ethereum.reading import quantity, receipt_of
from strongroom.chains.ethereum.states import ask_at

_log = structlog.get_logger(__name__)
_REVERTED: Final = 3  # the execution API's code for a revert, which geth, anvil and others give
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Said(Generic[_T]):
    """One endpoint's answer: a value, what a contract returned when it refused, or that it failed otherwise.

    The wording of an error differs between nodes and is not compared.
    """

    value: _T | None = None
    returned: bytes | None = None
    error: NodeError | None = field(default=None, compare=False)
    failed: bool = False


class Quorum:
    """Asks the endpoints of one chain."""

    def __init__(self, endpoints: Endpoints, chain: str) -> None:
        """Share the endpoints of a client."""
        self._endpoints = endpoints
        self._chain = chain

    async def find(self, place: Place) -> Agreed | None:
        """Give the block of a place and who has it; None where fewer than enough do."""
        return await self._alarmed(self._endpoints.find(place))

    async def state(self, method: str, what: object, place: Place, read: Callable[[object], _T]) -> _T:
        """Ask about the state of a block: ``what`` is the method's parameter before the block, ``read`` its reader.

        Raises ``CallRevertedError`` or ``NodeRefusedError`` where the called contract refuses or fails.
        """
        agreed = await self.find(place)
        if agreed is None:
            message = f"too few endpoints have block {place}"
            raise NodeError(message)
        block = agreed.block

        async def ask(endpoint: Endpoint) -> Said[_T]:
            answer = await ask_at(endpoint, method, what, block)
            return _refusal(answer) if isinstance(answer, NodeRefusedError) else Said(read(answer))

        said = await self._alarmed(self._agreed(ask, agreed, f"{method} at block {block.height}"))
        if said.error is not None:
            raise said.error
        return said.value  # type: ignore[return-value]  # one without an error has a value

    async def receipt(self, txid: str) -> Receipt | None:
        """Give what became of a chain tx up to the newest block that enough have; None where it is in none."""
        agreed = await self._alarmed(self._endpoints.agreed_tip())

        async def ask(endpoint: Endpoint) -> Receipt | None:
            answer = await endpoint.call("eth_getTransactionReceipt", txid)
            receipt = None if answer is None else receipt_of(answer)
            return receipt if receipt is not None and receipt.height <= agreed.block.height else None

        return await self._alarmed(self._agreed(ask, agreed, f"the receipt of {txid}"))

    async def estimate(self, message: object) -> int:
        """Estimate gas where one endpoint says that the chain tx would fail: only if enough say so it would.

        Raises ``CallRevertedError`` then; else gives the middle one of the estimates.
        """

        async def ask(endpoint: Endpoint) -> int | NodeError:
            try:
                return quantity(await endpoint.call("eth_estimateGas", message))
            except NodeRefusedError as error:
                refused = reverted(error)
                if isinstance(refused, CallRevertedError):
                    return refused
                raise

        answers = await self._endpoints.gather(ask)
        refusals = [answer for answer in answers.values() if isinstance(answer, NodeError)]
        if len(refusals) >= self._endpoints.agree_min:
            raise refusals[0]
        for endpoint, answer in answers.items():
            if isinstance(answer, NodeError):
                endpoint.blame(Trouble.OTHER_STATE, "says that a chain tx would fail, others do not")
        return statistics.median_high([answer for answer in answers.values() if isinstance(answer, int)])

    async def _agreed(self, ask: Callable[[Endpoint], Awaitable[_T]], agreed: Agreed, what: str) -> _T:
        return self._endpoints.vote(await self._endpoints.gather(ask, agreed.among), what, Trouble.OTHER_STATE)

    async def _alarmed(self, work: Awaitable[_T]) -> _T:
        try:
            return await work
        except EndpointsDisagreeError as error:
            _log.error("too few endpoints agree: nothing is decided", chain=self._chain, reason=error.message)
            raise


def reverted(error: NodeRefusedError) -> NodeError:
    """Make a contract's refusal what it is; any other refusal stays."""
    if error.number != _REVERTED and "revert" not in error.message.lower():
        return error
    data = bytes.fromhex(error.data[2:]) if isinstance(error.data, str) and error.data.startswith("0x") else b""
    return CallRevertedError(error.message, data)


def _refusal(error: NodeRefusedError) -> Said[Any]:
    refused = reverted(error)
    if isinstance(refused, CallRevertedError):
        return Said(returned=refused.data, error=refused)
    return Said(error=refused, failed=True)
