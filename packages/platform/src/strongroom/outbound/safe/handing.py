"""From signed to executed: the lowest nonce goes to the relayer, and what the chain would not take is cancelled.

A Safe executes its nonces in order, so only the slot at the Safe's own nonce is handed over; the next one follows as
soon as that one is in a block. Each try has a reference of its own with the relayer; the Safe lets one of them happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from strongroom.infra import outbox
from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.infra.telemetry import on_behalf_of
from strongroom.outbound import moves
from strongroom.outbound import rules as slot_rules
from strongroom.outbound import store as slots
from strongroom.outbound.ethereum import relay
from strongroom.outbound.ethereum.model import Relayed, RelayPurpose, RelayState
from strongroom.outbound.model import OpenSlot, SlotState, Version, VersionState
from strongroom.outbound.safe import building, reading, rules, store
from strongroom.outbound.safe.model import PAYING_VERSION, Contracts, Handover, SafeNode, SafeSlot
from strongroom_core.evm import SafeTx
from strongroom_core.ids import SlotId

_log = structlog.get_logger(__name__)
# From here on the network has, or had, the execution; the block that has it is the watcher's to tell.
_SENT: Final = frozenset({RelayState.BROADCAST, RelayState.MINED, RelayState.FINAL})


@dataclass(frozen=True, slots=True)
class Try:
    """The newest version that is signed, the last try to have it executed, and how many there were."""

    version: Version
    relayed: Relayed | None
    attempts: int

    @property
    def failed(self) -> bool:
        """Whether the last try is over and the version was not executed by it."""
        if self.relayed is None:
            return False
        done = self.relayed.state in (RelayState.MINED, RelayState.FINAL)
        return self.relayed.state is RelayState.DROPPED or (done and self.relayed.success is False)


@dataclass(frozen=True, slots=True)
class Handing:
    """Hands signed Safe transactions of one chain to the relayer."""

    pool: Pool
    settings: ChainSettings
    node: SafeNode

    @property
    def places(self) -> Contracts:
        """Where the contracts are."""
        return building.contracts(self.settings)

    async def step(self) -> int:
        """Take the slot whose nonce is the Safe's next one as far as it goes; 1 where something was done."""
        async with transaction(self.pool) as connection:
            standing = await store.standing(connection, self.settings.id)
        waiting = [item for item in standing.unconfirmed if slot_rules.best_version(item.state.versions)]
        if not waiting:
            return 0
        nonce = await reading.nonce(self.node, self.places)
        head = next((item for item in waiting if item.nonce == nonce), None)
        if head is None:
            return 0
        async with transaction(self.pool) as connection:
            request_id = await slots.request_of(connection, head.state.slot.id)
            if not await store.is_due(connection, head.state.slot.id):
                return 0
        with on_behalf_of(request_id):
            return await self.take(head)

    async def take(self, item: SafeSlot) -> int:
        """Decide about the slot at the head of the queue; 1 where it was handed over or its cancellation planned."""
        async with transaction(self.pool) as connection:
            state = await slots.load(connection, item.state.slot.id)
            current = await self._current(connection, state)
        if current is None:
            return 0
        if current.relayed is not None and not current.failed:
            return await self._note_sent(state, current.relayed)
        raw = current.version.raw or b""
        why = await reading.exec_fails(self.node, self.places, raw, _gas(item, current.version))
        tries = state.slot.attempts if why else current.attempts
        decided = rules.judge(
            failed=current.failed,
            fails_now=why is not None,
            tries=tries,
            is_cancel=current.version.number > PAYING_VERSION or state.slot.kind == "cancel",
        )
        if decided is rules.Next.HAND_OVER:
            return await self.hand_over(item, current)
        reason = f"the chain would not take it: {why or 'it failed each time it was tried'}"
        if decided is rules.Next.CANCEL:
            return await self.cancel(state.slot.id, reason)
        await self._wait(state.slot.id, reason)
        return 0

    async def hand_over(self, item: SafeSlot, current: Try) -> int:
        """Give a version to the relayer, under a new reference, in one transaction with the record of it."""
        version = current.version
        async with transaction(self.pool) as connection:
            state = await slots.load(connection, item.state.slot.id, lock=True)
            again = await self._current(connection, state)
            if again is None or (again.version.number, again.attempts) != (version.number, current.attempts):
                return 0
            await self._withdraw_older(connection, state, version)
            attempt = Handover(version.number, current.attempts + 1)
            place = {"slot": state.slot.id, "number": attempt.number, "attempt": attempt.attempt}
            await store.run(connection, "insert_handover", **place)
            limit = _gas(item, version)
            reference = reference_of(state.slot.id, attempt)
            to, raw = self.places.hot_safe, version.raw or b""
            await relay.submit(connection, self.settings.id, RelayPurpose.SAFE, reference, to, raw, limit)
        _log.info("handed to the relayer", slot_id=state.slot.id, nonce=item.nonce, reference=reference)
        return 1

    async def cancel(self, slot_id: SlotId, reason: str) -> int:
        """Plan the Safe's empty call to itself at the slot's nonce; once that is final the money goes back."""
        async with transaction(self.pool) as connection:
            return int(await plan_cancel(connection, self.settings, slot_id, reason))

    async def _current(self, connection: Connection, state: OpenSlot) -> Try | None:
        """Give what the slot's execution stands at; None where it is none of our business any more."""
        version = slot_rules.best_version(state.versions)
        open_states = (SlotState.SIGNED, SlotState.BROADCAST)
        if version is None or state.slot.state not in open_states or state.slot.conflict_height is not None:
            return None
        tries = [item for item in await store.handovers(connection, state.slot.id) if item.number == version.number]
        if not tries:
            return Try(version, None, 0)
        reference = reference_of(state.slot.id, tries[-1])
        relayed = await relay.find(connection, self.settings.id, RelayPurpose.SAFE, reference)
        return Try(version, relayed, len(tries))

    async def _note_sent(self, state: OpenSlot, relayed: Relayed) -> int:
        """Record that the network has the execution, and the chain tx that carries it now.

        A replacement has another.
        """
        if relayed.state not in _SENT or relayed.txid is None or relayed.txid == state.slot.txid:
            return 0
        async with transaction(self.pool) as connection:
            fresh = await slots.load(connection, state.slot.id, lock=True)
            if fresh.slot.state not in (SlotState.SIGNED, SlotState.BROADCAST):
                return 0
            height = await slots.number(connection, "height", "height", chain=self.settings.id)
            await slots.run(connection, "set_broadcast", slot=fresh.slot.id, txid=relayed.txid, height=height)
            number = int(relayed.reference.split("/")[1])
            await slots.run(
                connection, "set_version_state", slot=fresh.slot.id, number=number, state=VersionState.BROADCAST
            )
            if fresh.slot.state is SlotState.SIGNED:
                await moves.move(connection, fresh, SlotState.BROADCAST)
        return 1

    async def _withdraw_older(self, connection: Connection, state: OpenSlot, version: Version) -> None:
        """Take tries of an older version back where the relayer has not signed them: their gas would be wasted."""
        for item in await store.handovers(connection, state.slot.id):
            if item.number < version.number:
                reference = reference_of(state.slot.id, item)
                found = await relay.find(connection, self.settings.id, RelayPurpose.SAFE, reference)
                if found is not None and found.state is RelayState.PLANNED:
                    await relay.cancel(connection, self.settings.id, RelayPurpose.SAFE, reference)

    async def _wait(self, slot_id: SlotId, reason: str) -> None:
        async with transaction(self.pool) as connection:
            await slots.wait(connection, slot_id, reason)


async def plan_cancel(connection: Connection, settings: ChainSettings, slot_id: SlotId, reason: str) -> bool:
    """Add the cancelling version to a signed slot; False where it has one already, or is on the chain."""
    state = await slots.load(connection, slot_id, lock=True)
    open_states = (SlotState.SIGNED, SlotState.BROADCAST)
    if state.slot.state not in open_states or len(state.versions) > PAYING_VERSION or state.slot.kind == "cancel":
        return False
    places = building.contracts(settings)
    number = state.slot.version + 1
    built = building.built(places, SafeTx.cancel(places.hot_safe, state.coins[0].vout))
    await slots.run(connection, "raise_version", slot=slot_id, number=number)
    await store.insert_version(connection, slot_id, number, built)
    arrow = f"{state.slot.state} → {state.slot.state}"
    await slots.run(connection, "insert_history", slot=slot_id, arrow=arrow, reason=f"cancelling its nonce: {reason}")
    await slots.run(connection, "set_reason", slot=slot_id, reason=f"cancelling: {reason}")
    payload = {"slot_id": slot_id, "nonce": state.coins[0].vout, "reason": reason}
    await outbox.publish(connection, "outbound.cancelling", slot_id, payload)
    _log.error("a signed Safe transaction is being cancelled", slot_id=slot_id, reason=reason)
    return True


def _gas(item: SafeSlot, version: Version) -> int:
    """Give what the execution of a version may use; a cancellation neither draws nor pays."""
    paying = version.number == PAYING_VERSION
    payments = (len(item.state.payments) + len(item.sweeps)) * paying
    return rules.gas_limit(SafeTx.decode(version.psbt), payments, len(item.draws) * paying)


def reference_of(slot_id: SlotId, item: Handover) -> str:
    """Name a try to the relayer."""
    return f"{slot_id}/{item.number}/{item.attempt}"
