"""The world on the Ethereum devnet: its one node, the miner of its chain, and the operator's account there.

The node holds the keys of accounts that are rich and public; the operator's is one of them. The shopper has a key of
its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from strongroom.chains.ethereum.contracts import contract
from strongroom.demo.errors import ObservationError
from strongroom.infra.components.anvil import EthereumNode
from strongroom.infra.components.errors import NodeRpcError, NodeUnreachableError
from strongroom.infra.components.ethereum_rpc import EthereumRpc, JsonValue
from strongroom_core.evm import ZERO_ADDRESS

BLOCK_SECONDS: Final = 1.0
# What a chain tx of set-up may use: it may stand on another one that is not in a block yet, and cannot be estimated.
GAS: Final = 6_000_000
_BLOCKS_MAX: Final = 20


class EthereumWorld:
    """The devnet, asked without blocking the loop. Addresses are 20 bytes, amounts base units."""

    def __init__(self, node: EthereumNode) -> None:
        """Name the node; it must be running before anything is asked."""
        self._port = node.rpc_port

    async def rpc(self, method: str, *params: object) -> JsonValue:
        """Call one method. Raises ``NodeRpcError``, ``NodeUnreachableError``."""
        return await asyncio.to_thread(lambda: EthereumRpc(self._port).call(method, *params))

    async def height(self) -> int:
        """Give the height of the chain."""
        return int(await self.rpc("eth_blockNumber"), 16)

    async def has_code(self, address: bytes) -> bool:
        """Whether a contract stands at an address."""
        return bool(await self.rpc("eth_getCode", _hex(address), "latest") != "0x")

    async def call(self, to: bytes, data: bytes) -> int:
        """Ask a contract something whose answer is one number."""
        return int(await self.rpc("eth_call", {"to": _hex(to), "data": _hex(data)}, "latest"), 16)

    async def balance(self, token: bytes, of: bytes) -> int:
        """Give a balance; the zero address is the chain's coin."""
        if token == ZERO_ADDRESS:
            return int(await self.rpc("eth_getBalance", _hex(of), "latest"), 16)
        return await self.call(token, contract("test/StandardToken").call("balanceOf", of))

    async def send(self, to: bytes, data: bytes = b"", value: int = 0) -> str:
        """Send from the operator's account; the txid. It waits for a block then."""
        sender = (await self.rpc("eth_accounts"))[0]
        fields = {"from": sender, "to": _hex(to), "data": _hex(data), "value": hex(value), "gas": hex(GAS)}
        return str(await self.rpc("eth_sendTransaction", fields))

    async def pay(self, token: bytes, to: bytes, amount: int) -> str:
        """Pay coin from the operator's account, or let tokens arrive from their issuer; the txid."""
        if token == ZERO_ADDRESS:
            return await self.send(to, value=amount)
        return await self.send(token, contract("test/StandardToken").call("mint", to, amount))

    async def settle(self, *txids: str) -> None:
        """Mine until all of these are in blocks. Raises ``ObservationError`` where one failed or never gets there."""
        receipts: list[JsonValue] = []
        for _ in range(_BLOCKS_MAX):
            receipts = [await self.rpc("eth_getTransactionReceipt", txid) for txid in txids]
            if all(receipts):
                break
            await self.mine()
        failed = [
            txid for txid, receipt in zip(txids, receipts, strict=True) if not receipt or receipt["status"] != "0x1"
        ]
        if failed:
            message = f"chain txs of the devnet did not succeed: {', '.join(failed)}"
            raise ObservationError(message)

    async def mine(self, blocks: int = 1) -> None:
        """Make blocks now."""
        await self.rpc("anvil_mine", hex(blocks))

    async def mine_when_needed(self, follow: int) -> None:
        """Mine a block each second while a chain tx waits, and ``follow`` empty ones on top; else nothing grows."""
        looked = busy = -follow
        while True:
            await asyncio.sleep(BLOCK_SECONDS)
            with contextlib.suppress(NodeRpcError, NodeUnreachableError):  # the node is restarting; the next round asks
                tip = await self.height()
                if tip < looked:  # it was killed, and is back where it last wrote its state
                    looked = busy = -follow
                for number in range(max(looked + 1, tip - follow + 1, 0), tip + 1):
                    if int(await self.rpc("eth_getBlockTransactionCountByNumber", hex(number)), 16):
                        busy = number
                looked = tip
                if tip - busy < follow or int((await self.rpc("txpool_status"))["pending"], 16):
                    await self.mine()


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
