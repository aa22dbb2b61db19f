"""From queue to slot: a batch of payables, the coins that pay them with the least waste, change to branch 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from strongroom.chains import service as chains
from strongroom.chains.errors import NodeError
from strongroom.chains.model import ChainNode, ChainStatus
from strongroom.infra import outbox, stops
from strongroom.infra.clock import Clock
from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.infra.telemetry import on_behalf_of
from strongroom.ledger import service as ledger
from strongroom.outbound import service as outbound
from strongroom.outbound.model import Draft, Outcome, OwnOutput, SlotKind
from strongroom.treasury import coins, proven, rules, service, store
from strongroom.treasury.model import Choice, Queued
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeySetKind, WalletAddress

_log = structlog.get_logger(__name__)
QUEUE_BATCH: Final = 500
EXPIRE_BATCH: Final = 100
# Payouts wait this long for company, so that one chain tx pays several; the first of a burst waits, the rest join.
BATCH_WAIT: Final = timedelta(seconds=1)
# A payout that expires within this is not planned any more: the second signer might see it too late.
EXPIRY_MARGIN: Final = timedelta(seconds=60)
EXPIRED_TAG: Final = "payout-expired"


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans for one chain; one process at a time has the turn."""

    pool: Pool
    settings: ChainSettings
    node: ChainNode
    clock: Clock
    batch_wait: timedelta = BATCH_WAIT

    async def plan(self) -> int:
        """Plan one slot of payouts; the count of payouts in it, so that a caller goes on until it is zero."""
        rate = await self.rate()
        async with transaction(self.pool) as connection:
            height = await self.ready(connection)
            if height is None or await stops.stopped(connection, stops.Stop.PAYOUTS, self.settings.id):
                return 0
            return await self._plan(connection, height, rate)

    async def expire(self) -> int:
        """Take back what waited beyond its expiry; the count."""
        return await expire_waiting(self.pool, self.settings, self.clock)

    async def rate(self) -> int:
        """Give the fee rate to pay now, in sat/vB; the fallback where the node cannot say."""
        try:
            estimate = await self.node.fee_rate(self.settings.fees.target_blocks)
        except NodeError as error:
            _log.warning("no fee rate from the node", error=error.message)
            estimate = None
        fees = self.settings.fees
        return rules.clamp_rate(estimate, fallback=fees.rate_fallback, floor=fees.rate_floor, ceiling=fees.rate_ceiling)

    async def ready(self, connection: Connection) -> int | None:
        """Take the turn and give the height to plan at; None while another plans, or the facts cannot be relied on."""
        tip = await chains.tip(connection, self.settings.id)
        if tip is None or tip.status is not ChainStatus.OK or tip.height is None:
            return None
        if not await store.take_turn(connection, self.settings.id):
            return None
        return tip.height if await coins.are_current(connection, self.settings.id) else None

    async def _plan(self, connection: Connection, height: int, rate: int) -> int:
        now = self.clock.now()
        owing = await ledger.owing(connection, self.settings.asset)
        queue = await store.queue(connection, self.settings.id, now, now + EXPIRY_MARGIN, owing, QUEUE_BATCH)
        if not self._is_due(queue, now):
            return 0
        queue = await proven.covered(connection, queue)
        if not queue:
            return 0
        free = await coins.spendable(connection, self.settings, height)
        limit = self.settings.payouts_per_tx_max
        chosen = rules.choose_batch(queue, free, rate, self.settings.relay_minimum, limit)
        await self._mark_short(connection, height, queue, chosen[0] if chosen else [])
        if chosen is None:
            return 0
        await self._open(connection, chosen[0], chosen[1], rate)
        return len(chosen[0])

    def _is_due(self, queue: Sequence[Queued], now: datetime) -> bool:
        if len(queue) >= self.settings.payouts_per_tx_max:
            return True
        return bool(queue) and queue[0].enqueued_at <= now - self.batch_wait

    async def _open(self, connection: Connection, batch: Sequence[Queued], choice: Choice, rate: int) -> None:
        own = await change_output(connection, self.settings, choice.change)
        payments = tuple(item.payment for item in batch)
        draft = Draft(self.settings.id, SlotKind.PAYOUTS, choice.coins, payments, own, rate)
        previous = await coins.previous_txs(connection, draft)
        holds = [item.hold_id for item in payments]
        with on_behalf_of(await store.request_of(connection, holds[0])):
            state = await outbound.open_slot(connection, self.settings, draft, previous)
            _log.info("payouts planned", slot_id=state.slot.id, payouts=[item.payout_id for item in payments])
        await store.run(connection, "slotted", slot=state.slot.id, holds=holds)

    async def _mark_short(
        self, connection: Connection, height: int, queue: Sequence[Queued], batch: Sequence[Queued]
    ) -> None:
        """Tell which of those left are more than hot holds at all; the others only wait for a block."""
        left = [item for item in queue if item not in batch]
        if not left:
            return
        held = (await coins.reserve(connection, self.settings, height)).total
        short = [item.payment.hold_id for item in left if item.payment.amount >= held]
        await store.set_short(connection, [i.payment.hold_id for i in left if i.payment.amount < held], short=False)
        for row in await store.set_short(connection, short, short=True):
            payload = {"payout_id": row["payout_id"], "merchant_id": row["merchant_id"], "amount": str(row["amount"])}
            await outbox.publish(connection, "treasury.hot-short", row["hold_id"], payload)
            _log.warning("hot-short", chain=self.settings.id, **payload)


async def expire_waiting(pool: Pool, settings: ChainSettings, clock: Clock) -> int:
    """Take back what waited beyond its expiry, on a chain of any family; the count."""
    async with transaction(pool) as connection:
        due = await store.due_to_expire(connection, settings.id, clock.now(), EXPIRE_BATCH)
        for hold in due:
            reason = "the payout expired before it could be sent: sign a new one"
            await service.withdraw(connection, hold, Outcome.EXPIRED, EXPIRED_TAG, reason)
    return len(due)


async def change_output(connection: Connection, settings: ChainSettings, amount: int) -> tuple[OwnOutput, ...]:
    """Hand out a change address for ``amount``; nothing for no change."""
    if not amount:
        return ()
    return (own_output(await wallets.next_change(connection, settings.id, KeySetKind.HOT), amount),)


def own_output(address: WalletAddress, amount: int) -> OwnOutput:
    """Make an output to an address of ours."""
    return OwnOutput(address.script, amount, address.kind.value, address.branch, address.index)
