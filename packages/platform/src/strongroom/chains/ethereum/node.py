"""A client of an EVM chain for whoever sends, simulates and reads balances; the watcher has its own way (views.py).

What money is decided by (state, calls, receipts, blocks) is answered by a quorum: see quorum.py. Prices, estimates and
what waits for a block are asked of the first endpoint that agrees with enough others about the newest block: they cost
a fee at most. A signed chain tx goes to all of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from strongroom.chains.errors import (
    BroadcastRejectedError,
    CallRevertedError,
    NodeDownError,
    NodeError,
    NodeRefusedError,
)
from strongroom.chains.ethereum.endpoint import Endpoint, Trouble
from strongroom.chains.ethereum.endpoints import Endpoints
from strongroom.chains.ethereum.keccak import keccak
from strongroom.chains.ethereum.model import Block, GasPrices, Log, Place, Receipt
from strongroom.chains.ethereum.quorum import Quorum, reverted
from strongroom.chains.ethereum.reading import block_of, data_of, log_of, quantity
from strongroom.chains.jsonrpc import Call, call_of
from strongroom.chains.model import NodeTip
from strongroom.infra.settings import ChainSettings

CHOICE_SECONDS: Final = 5.0
BALANCE_OF: Final = bytes.fromhex("70a08231")  # balanceOf(address)
_KNOWN: Final = ("already known", "already imported", "known transaction", "alreadyknown")
_PASSED: Final = ("nonce too low", "nonce is too low", "oldnonce")
_WORD: Final = 32


class EthereumNode:
    """The endpoints of the chain that the settings name, as one node.

    Addresses are 20 bytes, amounts wei or a token's base units. Every method raises ``NodeError`` or a kind of it:
    ``NodeDownError`` where none answers, ``EndpointsDisagreeError`` where too few agree, ``WrongNetworkError``.
    ``latest`` is the newest block that enough endpoints have reached.
    """

    def __init__(self, settings: ChainSettings) -> None:
        """Name the endpoints; nothing is opened yet."""
        self._endpoints = Endpoints(settings)
        self._quorum = Quorum(self._endpoints, settings.id)
        self._chosen: Endpoint | None = None
        self._chosen_until = 0.0

    async def close(self) -> None:
        """Close the connections."""
        await self._endpoints.close()

    @property
    def troubles(self) -> str:
        """What is the matter with some endpoints, for people; empty where all is well."""
        return self._endpoints.troubles

    async def call(
        self, to: bytes, data: bytes, block: Place = "latest", *, sender: bytes | None = None, gas: int | None = None
    ) -> bytes:
        """Call a contract without a chain tx (``eth_call``) as of a block, with at most ``gas``; what it returns.

        Raises ``CallRevertedError`` with what a failing contract returned, ``NodeRefusedError`` where it lacked gas.
        """
        return await self._quorum.state("eth_call", _message(to, data, sender=sender, gas=gas), block, data_of)

    async def balance(self, address: bytes, block: Place = "latest") -> int:
        """Give an address's coin in wei."""
        return await self._quorum.state("eth_getBalance", _hex(address), block, quantity)

    async def token_balance(self, token: bytes, address: bytes, block: Place = "latest") -> int:
        """Give an address's balance of an ERC-20 token in base units. Raises ``NodeError`` where it is no token."""
        returned = await self.call(token, BALANCE_OF + address.rjust(_WORD, b"\0"), block)
        if len(returned) != _WORD:
            message = f"{_hex(token)} is no token: balanceOf returned {len(returned)} bytes"
            raise NodeError(message)
        return int.from_bytes(returned, "big")

    async def nonce(self, address: bytes, *, pending: bool = False, block: Place = "latest") -> int:
        """Count the chain txs that an account has sent: up to a block, or with those that wait (``pending``)."""
        if pending:
            return quantity(await self._ask("eth_getTransactionCount", _hex(address), "pending"))
        return await self._quorum.state("eth_getTransactionCount", _hex(address), block, quantity)

    async def code(self, address: bytes, block: Place = "latest") -> bytes:
        """Give a contract's runtime code; empty where there is none."""
        return await self._quorum.state("eth_getCode", _hex(address), block, data_of)

    async def estimate_gas(self, sender: bytes, to: bytes, data: bytes, value: int = 0) -> int:
        """Estimate the gas of a chain tx. Raises ``CallRevertedError`` where enough endpoints say it would fail."""
        message = _message(to, data, sender=sender, value=value)
        try:
            return quantity(await self._ask("eth_estimateGas", message))
        except CallRevertedError:
            return await self._quorum.estimate(message)

    async def fees(self) -> GasPrices:
        """Give what gas costs now: ``base_fee`` of the latest block and a ``tip``, in wei per gas."""
        endpoint = await self._choose()
        head, tip = await endpoint.batch(
            [call_of("eth_getBlockByNumber", "latest", False), call_of("eth_maxPriorityFeePerGas")]  # noqa: FBT003 - positional
        )
        if isinstance(head, NodeRefusedError):
            raise head
        return GasPrices(block_of(head).base_fee, 0 if isinstance(tip, NodeRefusedError) else quantity(tip))

    async def block(self, place: Place) -> Block | None:
        """Give the header of a height, a tag or a hash; None where there is none."""
        agreed = await self._quorum.find(place)
        return None if agreed is None else agreed.block

    async def logs(self, topic: bytes, heights: range, address: bytes | None = None) -> tuple[tuple[int, Log], ...]:
        """Give every log of a first topic in a range of blocks (of one ``address``), each with its block's height.

        As enough endpoints agree. Raises ``NodeRefusedError`` where the range is more than they answer.
        """
        where: dict[str, Any] = {"fromBlock": hex(heights.start), "toBlock": hex(heights.stop - 1)}
        where |= {"topics": [_hex(topic)]} | ({"address": _hex(address)} if address is not None else {})

        async def ask(endpoint: Endpoint) -> tuple[tuple[int, Log], ...] | NodeRefusedError:
            try:
                answers = await endpoint.call("eth_getLogs", where)
            except NodeRefusedError as error:  # the range is its limit, not its failure
                return error
            return tuple((quantity(answer["blockNumber"]), log_of(answer)) for answer in answers)

        answers = await self._endpoints.gather(ask)
        said = {one: answer for one, answer in answers.items() if not isinstance(answer, NodeRefusedError)}
        refused = [answer for answer in answers.values() if isinstance(answer, NodeRefusedError)]
        if refused and len(said) < self._endpoints.agree_min:
            raise refused[0]
        return self._endpoints.vote(said, f"logs of blocks {heights.start} to {heights.stop - 1}", Trouble.OTHER_STATE)

    async def raw_block(self, block_hash: str) -> tuple[Any, list[Any]]:
        """Give a block and all its receipts as one endpoint says them in JSON, to be believed by their hashes only.

        Raises ``NodeRefusedError`` where there is no such block.
        """
        block = await self._ask("eth_getBlockByHash", block_hash, False)  # noqa: FBT003 - positional
        if block is None:
            message = f"there is no block {block_hash}"
            raise NodeRefusedError(message)
        try:
            return block, list(await self._ask("eth_getBlockReceipts", block_hash) or [])
        except NodeRefusedError:  # an older node: one by one
            calls = [call_of("eth_getTransactionReceipt", txid) for txid in block["transactions"]]
            receipts = await self.batch(calls)
        refused = next((receipt for receipt in receipts if isinstance(receipt, NodeRefusedError)), None)
        if refused is not None:
            raise refused
        return block, receipts

    async def tip(self) -> NodeTip:
        """Give the newest block."""
        head = (await self._endpoints.agreed_tip()).block
        return NodeTip(head.height, head.block_hash)

    async def receipt(self, txid: str) -> Receipt | None:
        """Give what became of a chain tx; None while it is in no block up to the newest that enough have reached."""
        return await self._quorum.receipt(txid)

    async def known(self, txid: str) -> bool:
        """Whether the node has a chain tx at all, in a block or waiting for one."""
        return await self._ask("eth_getTransactionByHash", txid) is not None

    async def send_raw(self, raw: bytes) -> str:
        """Send a signed chain tx to every endpoint; its txid (keccak-256 of the bytes).

        One that they know already, or that is in a block, is a success. Raises ``BroadcastRejectedError`` with the
        reason where nobody takes it, ``NodeDownError`` where nobody answers.
        """
        txid = "0x" + keccak(raw).hex()
        call = call_of("eth_sendRawTransaction", _hex(raw))
        answers = await asyncio.gather(*(_sent(endpoint, call) for endpoint in self._endpoints.all))
        reasons = [answer for answer in answers if isinstance(answer, str) and answer]
        if any(answer == "" for answer in answers):
            return txid
        if not reasons:
            raise NodeDownError(self._endpoints.troubles or "no endpoint answers")
        if any(_says(reason, _PASSED) for reason in reasons) and await self.receipt(txid) is not None:
            return txid
        raise BroadcastRejectedError(reasons[0])

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Make many calls of the execution API at once; a refused one gives its ``NodeRefusedError``."""
        return await (await self._choose()).batch(calls)

    async def _ask(self, method: str, *params: object) -> Any:
        endpoint = await self._choose()
        try:
            return await endpoint.call(method, *params)
        except NodeDownError as error:
            endpoint.failed(error)
            self._chosen = None
            endpoint = await self._choose()
        except NodeRefusedError as error:
            raise reverted(error) from None
        try:
            return await endpoint.call(method, *params)
        except NodeRefusedError as error:
            raise reverted(error) from None

    async def _choose(self) -> Endpoint:
        if self._chosen is None or time.monotonic() >= self._chosen_until:
            self._chosen = (await self._endpoints.agreed_tip()).among[0]
            self._chosen_until = time.monotonic() + CHOICE_SECONDS
        return self._chosen


async def _sent(endpoint: Endpoint, call: Call) -> str | NodeError:
    """Send to one: empty text for a success, the reason of a refusal, or what went wrong."""
    try:
        await endpoint.check_network()
        await endpoint.call(call.method, *call.params)
    except NodeRefusedError as error:
        reason = error.message.removeprefix(f"{call.method}: ")
        return "" if _says(reason, _KNOWN) else reason
    except NodeError as error:
        endpoint.failed(error)
        return error
    return ""


def _says(reason: str, words: tuple[str, ...]) -> bool:
    return any(word in reason.lower() for word in words)


def _message(
    to: bytes, data: bytes, *, sender: bytes | None = None, value: int = 0, gas: int | None = None
) -> dict[str, str]:
    message = {"to": _hex(to), "data": _hex(data)}
    if sender is not None:
        message["from"] = _hex(sender)
    if value:
        message["value"] = hex(value)
    if gas is not None:
        message["gas"] = hex(gas)
    return message


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
