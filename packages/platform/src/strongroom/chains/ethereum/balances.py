"""Coin that no log and no trace told of, found by balances: for chains whose endpoints offer no traces.

At a final block the balances of the addresses that may be paid now are read and explained: what was there at the last
reading, plus what facts say arrived since, minus what was swept (the Safe that receives it logs that). What is left
over arrived inside of calls. A final block does not change any more, so this is exact, once for each stretch of blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from strongroom.chains.errors import NodeError
from strongroom.chains.ethereum import decoding, store
from strongroom.chains.ethereum.endpoints import Endpoints
from strongroom.chains.ethereum.memory import write_reading
from strongroom.chains.ethereum.reading import log_of, quantity
from strongroom.chains.ethereum.states import balance_calls
from strongroom.chains.ethereum.store import BalanceWatch
from strongroom.chains.ethereum.view import BALANCE_VOUT
from strongroom.chains.facts import SeenTx
from strongroom.chains.jsonrpc import call_of
from strongroom.chains.model import ObservedOutput
from strongroom.infra.database import Connection

ADDRESSES_PER_QUESTION: Final = 500


@dataclass(frozen=True, slots=True)
class Readings:
    """What a reading at a final block found, to be recorded with the next block: payments, and all balances."""

    height: int
    balances: Mapping[bytes, int] = field(default_factory=dict)
    seen: SeenTx | None = None


class Balances:
    """Reads balances of one chain's coin. ``treasury`` is the Safe that sweeps go to."""

    def __init__(self, endpoints: Endpoints, chain: str, coin: str, treasury: bytes) -> None:
        """Share the watcher's endpoints."""
        self._endpoints = endpoints
        self._chain = chain
        self._coin = coin
        self._treasury = treasury
        self.trouble = ""  # what the last reading had to leave out, for people

    async def read(self, connection: Connection, height: int) -> Readings | None:
        """Read and explain the balances that are due at a final block; None where none is."""
        self.trouble = ""
        watches = await store.load_balance_watches(connection, self._chain, height)
        now: dict[bytes, int] = {}
        extra: dict[bytes, int] = {}
        for start in range(0, len(watches), ADDRESSES_PER_QUESTION):
            before = await self._before(watches[start : start + ADDRESSES_PER_QUESTION])
            part = [watch for watch in watches[start : start + ADDRESSES_PER_QUESTION] if watch.script in before]
            if not part:
                continue
            balances = await self._at(part, {watch.script: height for watch in part})
            recorded = await store.load_recorded(connection, self._chain, self._coin, part, height)
            swept = await self._swept(part, height)
            now |= balances
            extra |= unexplained(balances, before, recorded, swept)
        if not now:
            return None
        block = await self._endpoints.agreed_block(height)
        outputs = tuple(
            ObservedOutput(BALANCE_VOUT + number, script, amount, coinbase=False, asset=self._coin)
            for number, (script, amount) in enumerate(sorted(extra.items()))
        )
        return Readings(height, now, write_reading(block.block_hash, height, outputs) if outputs else None)

    async def _before(self, watches: Sequence[BalanceWatch]) -> dict[bytes, int]:
        """Give the balances of the last reading; those whose first one cannot be had (pruned) are left out."""
        before: dict[bytes, int] = {}
        unread: dict[int, list[BalanceWatch]] = {}
        for watch in watches:
            if watch.known_balance is None:
                unread.setdefault(watch.read_height, []).append(watch)
            else:
                before[watch.script] = watch.known_balance
        for height, group in unread.items():
            try:
                before |= await self._at(group, dict.fromkeys((watch.script for watch in group), height))
            except NodeError as error:
                self.trouble = f"coin inside of calls to {len(group)} addresses of block {height} is not looked for:"
                self.trouble += f" {error.message}"
        return before

    async def _at(self, watches: Sequence[BalanceWatch], heights: Mapping[bytes, int]) -> dict[bytes, int]:
        calls = [call for watch in watches for call in balance_calls([watch.script], heights[watch.script])]
        answers = await self._endpoints.agreed(calls, "balances at a final block") if calls else []
        return {watch.script: quantity(answer) for watch, answer in zip(watches, answers, strict=True)}

    async def _swept(self, watches: Sequence[BalanceWatch], height: int) -> dict[bytes, int]:
        """Add up the coin that each address sent to the treasury after its last reading."""
        since = {watch.script: watch.read_height for watch in watches}
        where = {
            "address": "0x" + self._treasury.hex(),
            "topics": ["0x" + decoding.RECEIVED_TOPIC.hex(), ["0x" + script.hex().rjust(64, "0") for script in since]],
            "fromBlock": hex(min(since.values()) + 1),
            "toBlock": hex(height),
        }
        (answer,) = await self._endpoints.agreed([call_of("eth_getLogs", where)], "sweeps up to a final block")
        swept: dict[bytes, int] = {}
        for one in answer:
            received = decoding.received_of(log_of(one))
            if received is not None and quantity(one["blockNumber"]) > since.get(received[0], height):
                swept[received[0]] = swept.get(received[0], 0) + received[1]
        return swept


def unexplained(
    now: Mapping[bytes, int], before: Mapping[bytes, int], recorded: Mapping[bytes, int], swept: Mapping[bytes, int]
) -> dict[bytes, int]:
    """Give what each balance is more than facts explain; never less than nothing."""
    rest = {
        script: balance + swept.get(script, 0) - before[script] - recorded.get(script, 0)
        for script, balance in now.items()
    }
    return {script: amount for script, amount in rest.items() if amount > 0}
