"""From signed to broadcast, and again until a block has it. What is sent was on disk before, its holds captured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from strongroom.chains import service as chains
from strongroom.chains.errors import BroadcastRejectedError, NodeError
from strongroom.chains.model import ChainNode
from strongroom.infra.database import Pool, transaction
from strongroom.infra.loops import each
from strongroom.infra.settings import ChainSettings
from strongroom.outbound import moves, rules, store
from strongroom.outbound.model import SlotState, Version, VersionState
from strongroom_core.ids import SlotId

_log = structlog.get_logger(__name__)
BATCH: Final = 50
REBROADCAST_EVERY: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Broadcasting:
    """Sends the signed versions of one chain to its node."""

    pool: Pool
    settings: ChainSettings
    node: ChainNode

    async def step(self) -> int:
        """Broadcast every version that is signed and not sent yet; the count of them."""
        async with transaction(self.pool) as connection:
            due = await store.ids(connection, "due_to_broadcast", chain=self.settings.id, limit=BATCH)
        return await each(due, self.broadcast, self._wait)

    async def broadcast(self, slot_id: SlotId) -> None:
        """Send the newest signed version of a slot; where the node will not take it, say why and try again later."""
        async with transaction(self.pool) as connection:
            state = await store.load(connection, slot_id)
        version = rules.best_version(state.versions)
        if version is None or version.raw is None:
            return
        try:
            await self.node.broadcast(version.raw)
        except NodeError as error:
            # A rejected one is tried again as well: its parent may be late, its fee may do tomorrow.
            await self._wait(slot_id, f"the node did not take it: {error.message}")
            return
        await self.record_broadcast(slot_id, version)

    async def record_broadcast(self, slot_id: SlotId, version: Version) -> None:
        """Write down that the network has a version."""
        async with transaction(self.pool) as connection:
            state = await store.load(connection, slot_id, lock=True)
            if state.slot.state not in (SlotState.SIGNED, SlotState.BROADCAST):
                return
            tip = await chains.tip(connection, self.settings.id)
            height = tip.height if tip and tip.height is not None else 0
            await store.run(connection, "set_broadcast", slot=slot_id, txid=version.txid, height=height)
            await store.run(
                connection, "set_version_state", slot=slot_id, number=version.number, state=VersionState.BROADCAST
            )
            if state.slot.state is SlotState.SIGNED:
                await moves.move(connection, state, SlotState.BROADCAST)
            else:
                await store.run(connection, "set_reason", slot=slot_id, reason=f"replaced by version {version.number}")

    async def rebroadcast(self) -> int:
        """Offer to the node again what has been waiting for a block; it may have restarted or dropped it."""
        async with transaction(self.pool) as connection:
            due = await store.due_to_rebroadcast(connection, self.settings.id, REBROADCAST_EVERY, BATCH)
        await each(due, self._again, self._touch)
        return 0

    async def _again(self, slot_id: SlotId) -> None:
        async with transaction(self.pool) as connection:
            state = await store.load(connection, slot_id)
        # An older version may still do where the newest cannot any more: a coin that it added was spent elsewhere.
        for version in reversed(state.versions):
            if version.raw is not None and await self._taken(slot_id, version):
                break
        await self._touch(slot_id)

    async def _taken(self, slot_id: SlotId, version: Version) -> bool:
        try:
            await self.node.broadcast(version.raw or b"")
        except BroadcastRejectedError as error:
            _log.warning("rebroadcast rejected", slot_id=slot_id, txid=version.txid, reason=error.message)
            return False
        return True

    async def _touch(self, slot_id: SlotId, reason: str | None = None) -> None:
        async with transaction(self.pool) as connection:
            await store.run(connection, "touch", slot=slot_id, reason=reason)

    async def _wait(self, slot_id: SlotId, reason: str) -> None:
        async with transaction(self.pool) as connection:
            await store.wait(connection, slot_id, reason)
