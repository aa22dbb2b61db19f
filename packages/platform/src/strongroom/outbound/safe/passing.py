"""Nonces that have passed: slots that can never be executed any more although no fact says why.

The Safe's own nonce, beyond the horizon, is past the slot's, and none of the slot's versions was executed in any block
that we have handled: its owners signed something else there, or before our time. Only then its money goes back.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from strongroom.infra.database import Pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.outbound import following as slot_following
from strongroom.outbound import store as slots
from strongroom.outbound.model import SlotState
from strongroom.outbound.safe import building, reading, store
from strongroom.outbound.safe.following import NONCE_USED_TAG
from strongroom.outbound.safe.model import SafeNode
from strongroom_core.ids import SlotId

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Passing:
    """Ends slots of one chain whose nonces have passed."""

    pool: Pool
    settings: ChainSettings
    node: SafeNode

    async def step(self) -> int:
        """Look at all open slots that no block has executed; the count of those ended."""
        async with transaction(self.pool) as connection:
            waiting = (await store.standing(connection, self.settings.id)).unconfirmed
            height = await slots.number(connection, "height", "height", chain=self.settings.id)
        deep = height - self.settings.horizon + 1
        if not waiting or deep < 0:
            return 0
        passed = await reading.nonce(self.node, building.contracts(self.settings), deep)
        return sum([await self.end(item.state.slot.id, passed) for item in waiting if item.nonce < passed])

    async def end(self, slot_id: SlotId, passed: int) -> int:
        """Give one slot up, unless a fact about it has come in meanwhile."""
        async with transaction(self.pool) as connection:
            state = await slots.load(connection, slot_id, lock=True)
            known = state.slot.confirmed_height is not None or state.slot.conflict_height is not None
            if known or state.slot.state in (SlotState.FINAL, SlotState.ABANDONED):
                return 0
            reason = f"the Safe is at nonce {passed}: something else was executed at {state.coins[0].vout}"
            _log.error("a slot's nonce has passed without it", slot_id=slot_id, reason=reason)
            told = (NONCE_USED_TAG, f"{reason}: sign and send it again")
            await slot_following.give_up(connection, state, reason, told=told)
        return 1
