"""From queue to slot on an EVM chain: a batch that hot covers, simulated before anyone is asked to sign it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import structlog

from strongroom.chains import service as chains
from strongroom.chains.model import ChainStatus
from strongroom.infra import outbox, stops
from strongroom.infra.clock import Clock
from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.infra.telemetry import on_behalf_of
from strongroom.ledger import service as ledger
from strongroom.outbound.model import Outcome, SlotKind
from strongroom.outbound.safe import service as safes
from strongroom.outbound.safe.model import Portion, SafeDraft, Standing, token_of
from strongroom.outbound.safe.service import Safes
from strongroom.treasury import proven, service, store
from strongroom.treasury.ethereum import rules
from strongroom.treasury.ethereum.model import Bound, Cover, Screened
from strongroom.treasury.model import Queued
from strongroom.treasury.planning import BATCH_WAIT, EXPIRY_MARGIN, QUEUE_BATCH
from strongroom_core.assets import asset_by_id

_log = structlog.get_logger(__name__)
REFUSED_TAG: Final = "transfer-refused"


@dataclass(frozen=True, slots=True)
class View:
    """The chain and our slots at one block that our reading of facts has reached."""

    height: int
    nonce: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class SafePlanner:
    """Plans for one EVM chain; one process at a time has the turn."""

    pool: Pool
    settings: ChainSettings
    safes: Safes
    clock: Clock
    batch_wait: timedelta = BATCH_WAIT

    async def plan(self) -> int:
        """Plan one slot: waiting payouts, or the cancellation of a nonce that others wait for.

        0 once all is planned.
        """
        async with transaction(self.pool) as connection:
            view = await self.look(connection)
            if view is None:
                return 0
            nonce = safes.next_nonce(view.nonce, view.standing)
            if nonce is None:
                return 0
            stopped = await stops.stopped(connection, stops.Stop.PAYOUTS, self.settings.id)
            if not stopped and (count := await self._plan(connection, view, nonce)):
                return count
            if not safes.is_gap(nonce, view.standing):
                return 0
            await safes.open_slot(connection, self.settings, SafeDraft(self.settings.id, SlotKind.CANCEL, nonce))
            return 1

    async def look(self, connection: Connection, *, planning: bool = True) -> View | None:
        """Look, with the turn where it is for ``planning``; None while another plans, or the facts cannot be relied on.

        Balances are read at the block that our facts have reached, so that what is confirmed is in both or in neither.
        """
        tip = await chains.tip(connection, self.settings.id)
        if tip is None or tip.status is not ChainStatus.OK:
            return None
        if planning and not await store.take_turn(connection, self.settings.id):
            return None
        height = await safes.handled_height(connection, self.settings)
        if height is None:
            return None
        nonce = await self.safes.nonce(height)
        return View(height, nonce, await safes.standing(connection, self.settings))

    async def bound(self, connection: Connection, asset: str, height: int) -> tuple[Bound, int]:
        """Say what a thief could take of an asset, against the house's capital; and what the cold Safe has."""
        named = asset_by_id(asset)
        found = await self.safes.funds(named, height)
        return Bound(asset, found.hot, found.left, await safes.house_capital(connection, named)), found.cold

    async def _plan(self, connection: Connection, view: View, nonce: int) -> int:
        queue = await proven.covered(connection, await self._queue(connection))
        if not queue:
            return 0
        covers = await self._covers(connection, view, {item.payment.asset for item in queue})
        batch, screened = await self._screened(queue, covers)
        await self._mark_short(connection, queue, batch, covers)
        for item, why in screened.refused:
            await self._refuse(connection, item, why)
        if not screened.good:
            return len(screened.refused)
        await self._open(connection, screened.good, _draws(screened.good, covers), nonce)
        return len(screened.good)

    async def _screened(self, queue: list[Queued], covers: Mapping[str, Cover]) -> tuple[list[Queued], Screened]:
        """Choose a batch that does; where an asset cannot be drawn now, one without it."""
        stuck: dict[str, str] = {}
        while True:
            batch = await self._choose([item for item in queue if item.payment.asset not in stuck], covers)
            screened = await self.screen(batch, covers)
            if screened.good or screened.refused or not screened.stuck:
                return batch, screened
            stuck |= dict(screened.stuck)
            _log.error("payouts of an asset wait: it cannot be drawn", chain=self.settings.id, assets=stuck)

    async def _queue(self, connection: Connection) -> list[Queued]:
        """Read what waits, of every asset on its own: one that cannot be covered keeps no other from being seen."""
        now, chain = self.clock.now(), self.settings.id
        queue: list[Queued] = []
        for item in self.settings.held_assets:
            owing = await ledger.owing(connection, item.asset)
            queue += await store.queue(connection, chain, now, now + EXPIRY_MARGIN, owing, QUEUE_BATCH, item.id)
        queue.sort(key=lambda item: (item.enqueued_at, item.payment.hold_id))
        if len(queue) >= self.settings.payouts_per_tx_max:
            return queue
        return queue if queue and queue[0].enqueued_at <= now - self.batch_wait else []

    async def _choose(self, queue: Sequence[Queued], covers: Mapping[str, Cover]) -> list[Queued]:
        """Take a batch, in which coin to a contract rides alone: one that takes it now may refuse it in the block."""
        contracts: dict[bytes, bool] = {}
        while True:
            apart = [replace(item, solo=True) if contracts.get(_coin_to(item)) else item for item in queue]
            batch = rules.choose(apart, covers, self.settings.payouts_per_tx_max)
            new = sorted({_coin_to(item) for item in batch} - contracts.keys() - {b""})
            if not new:
                return batch
            answers = await asyncio.gather(*(self.safes.has_code(address) for address in new))
            contracts |= dict(zip(new, answers, strict=True))

    async def _covers(self, connection: Connection, view: View, assets: set[str]) -> dict[str, Cover]:
        taken, drawn = safes.moved(view.standing.unconfirmed)
        covers = {}
        for asset in sorted(assets):
            bound, cold = await self.bound(connection, asset, view.height)
            if bound.above:
                _log.error("draws are stopped: more than the capital", asset=asset, above=str(bound.above))
            covers[asset] = rules.cover(bound, cold, taken.get(asset, 0), drawn.get(asset, 0))
        return covers

    async def screen(self, batch: Sequence[Queued], covers: Mapping[str, Cover]) -> Screened:
        """Simulate a batch; what fails is found, and stops nothing else.

        Payouts of an asset that cannot be drawn now (a paused token) wait: they are not at fault. One whose own payment
        fails is refused.
        """
        idle = await self._idle_assets(batch)
        refused = tuple((item, "the token would move nothing") for item in batch if item.payment.asset in idle)
        screened = await self._screen([item for item in batch if item.payment.asset not in idle], covers)
        return replace(screened, refused=(*screened.refused, *refused))

    async def _idle_assets(self, batch: Sequence[Queued]) -> set[str]:
        """Find tokens that answer a transfer with "no" and move nothing: one question for each."""
        first = {item.payment.asset: item.payment for item in reversed(batch)}
        answers = await asyncio.gather(*(self.safes.moves_nothing(payment) for payment in first.values()))
        return {asset for asset, idle in zip(first, answers, strict=True) if idle}

    async def _screen(self, batch: Sequence[Queued], covers: Mapping[str, Cover]) -> Screened:
        if await self._would_fail(batch, covers) is None:
            return Screened(tuple(batch))
        stuck = await self._undrawable(batch, covers)
        screened = await self._halve([item for item in batch if item.payment.asset not in stuck], covers)
        return replace(screened, stuck=tuple(stuck.items()))

    async def _undrawable(self, batch: Sequence[Queued], covers: Mapping[str, Cover]) -> dict[str, str]:
        found = {}
        for draw in _draws(batch, covers):
            why = await self.safes.would_fail(SafeDraft(self.settings.id, SlotKind.SWEEP, 0, (), (draw,)))
            if why is not None:
                found[draw.asset] = why
        return found

    async def _halve(self, batch: Sequence[Queued], covers: Mapping[str, Cover]) -> Screened:
        why = await self._would_fail(batch, covers)
        if why is None:
            return Screened(tuple(batch))
        if len(batch) == 1:
            return Screened((), ((batch[0], why),))
        middle = len(batch) // 2
        parts = [await self._halve(half, covers) for half in (batch[:middle], batch[middle:])]
        good = tuple(item for part in parts for item in part.good)
        if all(part.good for part in parts) and await self._would_fail(good, covers) is not None:
            good = parts[0].good  # each half does alone: the other one waits for the next slot
        return Screened(good, tuple(item for part in parts for item in part.refused))

    async def _would_fail(self, batch: Sequence[Queued], covers: Mapping[str, Cover]) -> str | None:
        if not batch:
            return None
        payments = tuple(item.payment for item in batch)
        draft = SafeDraft(self.settings.id, SlotKind.PAYOUTS, 0, payments, _draws(batch, covers))
        return await self.safes.would_fail(draft)

    async def _refuse(self, connection: Connection, item: Queued, why: str) -> None:
        reason = f"the chain would refuse this payment ({why}): check the destination"
        place = {"payout_id": item.payment.payout_id, "merchant_id": item.payment.merchant_id}
        _log.warning("a payout fails in simulation", **place, reason=why)
        await service.withdraw(connection, item.payment.hold_id, Outcome.REFUSED, REFUSED_TAG, reason)

    async def _open(
        self, connection: Connection, batch: Sequence[Queued], draws: tuple[Portion, ...], nonce: int
    ) -> None:
        payments = tuple(item.payment for item in batch)
        holds = [item.hold_id for item in payments]
        draft = SafeDraft(self.settings.id, SlotKind.PAYOUTS, nonce, payments, draws)
        if await safes.is_mistakable(connection, self.settings, draft):
            # The payouts go at the next nonce; this one is used up by the Safe's empty call to itself.
            await safes.open_slot(connection, self.settings, SafeDraft(self.settings.id, SlotKind.CANCEL, nonce))
            return
        with on_behalf_of(await store.request_of(connection, holds[0])):
            state = await safes.open_slot(connection, self.settings, draft)
            _log.info(
                "payouts planned", slot_id=state.slot.id, nonce=nonce, payouts=[item.payout_id for item in payments]
            )
        await store.run(connection, "slotted", slot=state.slot.id, holds=holds)

    async def _mark_short(
        self, connection: Connection, queue: Sequence[Queued], batch: Sequence[Queued], covers: Mapping[str, Cover]
    ) -> None:
        short = {item.payment.hold_id for item in rules.short(queue, batch, covers)}
        others = [item.payment.hold_id for item in queue if item.payment.hold_id not in short]
        await store.set_short(connection, others, short=False)
        for row in await store.set_short(connection, sorted(short), short=True):
            payload = {"payout_id": row["payout_id"], "merchant_id": row["merchant_id"], "amount": str(row["amount"])}
            await outbox.publish(connection, "treasury.hot-short", row["hold_id"], payload)
            _log.warning("hot-short", chain=self.settings.id, **payload)


def _coin_to(item: Queued) -> bytes:
    """Give the destination of a payment in the chain's coin; nothing for a token's."""
    return item.payment.script if token_of(asset_by_id(item.payment.asset)) is None else b""


def _draws(batch: Sequence[Queued], covers: Mapping[str, Cover]) -> tuple[Portion, ...]:
    hot = {asset: cover.hot for asset, cover in covers.items()}
    return safes.shortfalls(rules.needed(batch), hot)
