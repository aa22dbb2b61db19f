"""The world outside: a node that is not the platform's, with the wallets of people, and the miners of the chain."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal
from typing import Final

from strongroom.infra.components.bitcoin_rpc import BitcoinRpc, JsonValue
from strongroom.infra.components.bitcoind import BitcoinNode
from strongroom.infra.components.errors import NodeRpcError, NodeUnreachableError
from strongroom_core.amounts import Amount

OPERATOR: Final = "operator"
SHOPPER: Final = "shopper"
SUPPLIER: Final = "supplier"
WALLETS: Final = (OPERATOR, SHOPPER, SUPPLIER)
COINBASE_MATURITY: Final = 100
# How long a chain tx waits for its block, so that people can see it waiting.
BLOCK_SECONDS: Final = 2.0
# createwallet: disable_private_keys, blank, passphrase, avoid_reuse, descriptors, load_on_startup
_LOAD_ON_START: Final = (False, False, "", False, True, True)
_WALLET_EXISTS: Final = -4  # rpc/protocol.h: wallet error; said of a wallet that is there already
_WALLET_LOADED: Final = -35


class Outside:
    """The outside node, asked without blocking the loop."""

    def __init__(self, node: BitcoinNode) -> None:
        """Name the node; it must be running before anything is asked."""
        self._node = node

    async def rpc(self, method: str, *params: object, wallet: str | None = None) -> JsonValue:
        """Call one method on a connection of its own. Raises ``NodeRpcError``, ``NodeUnreachableError``."""
        client = BitcoinRpc(self._node.rpc_port, self._node.cookie_file)
        return await asyncio.to_thread(lambda: client.call(method, *params, wallet=wallet))

    async def open_wallets(self) -> None:
        """Make or load the wallets, and mine until operator and shopper have coins of age to spend."""
        for wallet in WALLETS:
            await self._open_wallet(wallet)
        if await self.height() == 0:
            await self.mine(1, await self.address(OPERATOR))
            await self.mine(COINBASE_MATURITY + 3, await self.address(SHOPPER))

    async def height(self) -> int:
        """Give the height of the chain."""
        return int(await self.rpc("getblockcount"))

    async def address(self, wallet: str) -> str:
        """Give a new address of a wallet."""
        return str(await self.rpc("getnewaddress", "", "bech32", wallet=wallet))

    async def pay(self, wallet: str, address: str, amount: Amount) -> str:
        """Pay from a wallet; the txid."""
        return str(await self.rpc("sendtoaddress", address, amount.format(), wallet=wallet))

    async def send_again(self, wallet: str, txid: str) -> None:
        """Announce a wallet's chain tx once more."""
        known = await self.rpc("gettransaction", txid, wallet=wallet)
        await self.rpc("sendrawtransaction", known["hex"])

    async def received(self, wallet: str, address: str, asset_decimals: int) -> int:
        """Give the base units that an address has received, unconfirmed ones too."""
        total: Decimal = await self.rpc("getreceivedbyaddress", address, 0, wallet=wallet)
        return int(total.scaleb(asset_decimals))

    async def knows(self, txid: str) -> bool:
        """Whether a chain tx waits in the node's mempool."""
        return txid in await self.rpc("getrawmempool")

    async def mine(self, blocks: int = 1, address: str | None = None) -> None:
        """Mine blocks; where no address is named the shopper is the miner."""
        await self.rpc("generatetoaddress", blocks, address or await self.address(SHOPPER))
        # A node writes its chain down now and then only, and a killed one goes back to that; this makes it write. The
        # platform's node gets lost blocks again from this one; this one could get them from nobody.
        await self.rpc("gettxoutsetinfo", "none")

    async def mine_when_needed(self, follow: int) -> None:
        """Mine a block whenever a chain tx waits, and ``follow`` more on top of the last; otherwise nothing grows."""
        left = 0
        while True:
            await asyncio.sleep(BLOCK_SECONDS)
            with contextlib.suppress(NodeRpcError, NodeUnreachableError):  # the node is restarting; the next round asks
                if await self.rpc("getrawmempool"):
                    left = follow
                if left:
                    await self.mine()
                    left -= 1

    async def _open_wallet(self, wallet: str) -> None:
        if wallet in await self.rpc("listwallets"):
            return
        known = {item["name"] for item in (await self.rpc("listwalletdir"))["wallets"]}
        try:
            if wallet in known:
                await self.rpc("loadwallet", wallet, True)  # noqa: FBT003 -- load_on_startup
            else:
                await self.rpc("createwallet", wallet, *_LOAD_ON_START)
        except NodeRpcError as error:
            if error.rpc_code not in (_WALLET_EXISTS, _WALLET_LOADED):
                raise
