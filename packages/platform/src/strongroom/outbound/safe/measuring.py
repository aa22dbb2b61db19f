"""Paid means that it arrived: balances before and after a slot's block, kept for its settlement.

Logs are a token's own words. What counts is what the hot Safe has less, and the destinations have more, than in the
block before (EIP-1898: by number, and the block's hash is compared around it). A destination that sends on within the
same block looks as if it had got less: that is told, and nothing stops for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from strongroom.chains.errors import NodeError
from strongroom.infra.database import Pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.outbound import store as slots
from strongroom.outbound.model import OpenSlot
from strongroom.outbound.safe import building, reading, store
from strongroom.outbound.safe.model import Contracts, Measured, SafeNode, SafeSlot
from strongroom_core.assets import asset_by_id
from strongroom_core.ids import SlotId

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Measuring:
    """Measures confirmed slots of one chain."""

    pool: Pool
    settings: ChainSettings
    node: SafeNode

    async def step(self) -> int:
        """Measure what is confirmed and was not measured in its block; the count of slots measured."""
        async with transaction(self.pool) as connection:
            due = await store.ids(connection, "to_measure", chain=self.settings.id)
        return sum([await self._try(slot_id) for slot_id in due])

    async def _try(self, slot_id: SlotId) -> int:
        try:
            return await self.measure(slot_id)
        except NodeError as error:
            # An old block's balances may be gone from this node; an archive node in the settings is the way out.
            _log.warning("a slot cannot be measured yet", slot_id=slot_id, reason=error.message)
            return 0

    async def measure(self, slot_id: SlotId) -> int:
        """Measure one slot, together with what else of ours its block executed."""
        async with transaction(self.pool) as connection:
            state = await slots.load(connection, slot_id)
            place = {"chain": self.settings.id, "hash": state.slot.confirmed_hash}
            together = [await slots.load(connection, item) for item in await store.ids(connection, "in_block", **place)]
        height, block_hash = state.slot.confirmed_height, state.slot.confirmed_hash
        if height is None or block_hash is None:
            return 0
        places = building.contracts(self.settings)
        found = await self._measured(places, store.safe_slot(state), [store.safe_slot(s) for s in together], height)
        block = await self.node.block(height)
        if block is None or block.block_hash != block_hash:
            return 0  # orphaned meanwhile: what was read is another block's
        async with transaction(self.pool) as connection:
            await store.record_measures(connection, slot_id, block_hash, found)
        return 1

    async def _measured(
        self, places: Contracts, mine: SafeSlot, together: Sequence[SafeSlot], height: int
    ) -> list[Measured]:
        due = _by_destination(mine.state)
        found = []
        for asset, amounts in due.items():
            left = await self._left_hot(places, asset, together, height)
            before = sum(_paid(item, asset) for item in together if item.nonce < mine.nonce)
            others = sum(_paid(item, asset) for item in together) - before
            expected = sum(amounts.values())
            # Of several slots in one block the earlier nonce is served first; what is beyond all of them is the last's.
            share = max(0, left - before) if others == expected else min(expected, max(0, left - before))
            received = sum([await self._received(asset, to, amount, height) for to, amount in amounts.items()])
            found.append(Measured(asset, expected, share, received))
        return found

    async def _left_hot(self, places: Contracts, asset: str, together: Sequence[SafeSlot], height: int) -> int:
        """Give what left the hot Safe for payments in a block: its loss, plus draws, less sweeps."""
        named = asset_by_id(asset)
        before = await reading.balance(self.node, named, places.hot_safe, height - 1)
        after = await reading.balance(self.node, named, places.hot_safe, height)
        drawn = sum(item.amount for slot in together for item in slot.draws if item.asset == asset)
        swept = sum(item.amount for slot in together for item in slot.sweeps if item.asset == asset)
        return before - after + drawn - swept

    async def _received(self, asset: str, to: bytes, amount: int, height: int) -> int:
        named = asset_by_id(asset)
        before = await reading.balance(self.node, named, to, height - 1)
        after = await reading.balance(self.node, named, to, height)
        return max(0, min(amount, after - before))


def _by_destination(state: OpenSlot) -> dict[str, dict[bytes, int]]:
    sums: dict[str, dict[bytes, int]] = defaultdict(lambda: defaultdict(int))
    for payment in state.payments:
        sums[payment.asset][payment.script] += payment.amount
    return sums


def _paid(item: SafeSlot, asset: str) -> int:
    return sum(payment.amount for payment in item.state.payments if payment.asset == asset)
