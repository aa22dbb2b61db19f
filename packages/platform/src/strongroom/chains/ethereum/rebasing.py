"""Tokens whose balances grow without a transfer, found before one more payment of them is recorded.

Of every token a few addresses that were paid it are remembered with their balance. When the token is paid again, those
balances are read once more: one that is more, without any transfer log of that address in between, gives the token
away. It is refused from then on (issue: rebasing tokens are refused), and an alarm says so. One that is less is an
alarm only: an issuer may destroy what a blocked address holds (USDT does), and the token stays what it is for others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import structlog

from strongroom.chains.ethereum import decoding
from strongroom.chains.ethereum.endpoint import Endpoint, Trouble
from strongroom.chains.ethereum.endpoints import Endpoints
from strongroom.chains.ethereum.model import Block
from strongroom.chains.ethereum.states import read_words, token_balance
from strongroom.chains.ethereum.view import BlockView
from strongroom.chains.jsonrpc import call_of

_log = structlog.get_logger(__name__)
REMEMBERED: Final = 8
SPAN_BLOCKS_MAX: Final = 1_000  # further back, logs are not asked for: the balance is simply taken anew


@dataclass(frozen=True, slots=True)
class Holding:
    """A balance of a token that was read after a block."""

    balance: int
    height: int


class Rebasing:
    """Remembers balances of tokens and compares them."""

    def __init__(self, endpoints: Endpoints) -> None:
        """Share the watcher's endpoints."""
        self._endpoints = endpoints
        self._held: dict[bytes, dict[bytes, Holding]] = {}

    async def load(self, token: bytes, addresses: list[bytes], block: Block) -> None:
        """Begin with the balances that addresses have at a block."""
        answers = await self._read(token, addresses[:REMEMBERED], block)
        for address, balance in zip(addresses, answers, strict=False):
            self._remember(token, address, balance, block.height)

    async def grew_alone(self, token: bytes, view: BlockView) -> bool:
        """Whether a remembered balance of a token grew without a transfer up to a block that pays it."""
        held = {
            address: holding
            for address, holding in self._held.get(token, {}).items()
            if holding.height < view.block.height and ((token, address)) not in dict(view.balances)
        }
        answers = await self._read(token, list(held), view.block)
        for (address, holding), balance in zip(held.items(), answers, strict=True):
            if balance is None:
                continue  # where that matters, for an address that is paid, the view says so
            if balance != holding.balance and not await self._transferred(token, address, holding, view.block):
                if balance > holding.balance:
                    self._held.pop(token, None)  # should an operator believe it again, it begins anew
                    return True
                _log.error("a balance shrank without a transfer", token=token.hex(), address=address.hex())
            self._remember(token, address, balance, view.block.height)
        return False

    def note(self, view: BlockView) -> None:
        """Remember the balances that a block's payments left."""
        for (token, address), balance in view.balances:
            self._remember(token, address, balance, view.block.height)

    def _remember(self, token: bytes, address: bytes, balance: int | None, height: int) -> None:
        held = self._held.setdefault(token, {})
        held.pop(address, None)
        if balance:  # nothing does not grow
            held[address] = Holding(balance, height)
        if len(held) > REMEMBERED:
            del held[next(iter(held))]

    async def _read(self, token: bytes, addresses: list[bytes], block: Block) -> list[int | None]:
        if not addresses:
            return []

        async def read(endpoint: Endpoint) -> list[int | None]:
            return await read_words(endpoint, [(token_balance(token, address), block) for address in addresses])

        answers = await self._endpoints.gather(read)
        return self._endpoints.vote(answers, f"balances at block {block.height}", Trouble.OTHER_STATE)

    async def _transferred(self, token: bytes, address: bytes, holding: Holding, block: Block) -> bool:
        if block.height - holding.height > SPAN_BLOCKS_MAX:
            return True
        party = "0x" + address.hex().rjust(64, "0")
        where: dict[str, Any] = {
            "address": "0x" + token.hex(),
            "fromBlock": hex(holding.height + 1),
            "toBlock": hex(block.height),
        }
        event = "0x" + decoding.TRANSFER_TOPIC.hex()
        calls = [
            call_of("eth_getLogs", {**where, "topics": topics}) for topics in ([event, party], [event, None, party])
        ]
        answers = await self._endpoints.agreed(calls, f"transfers up to block {block.height}")
        return any(answers)
