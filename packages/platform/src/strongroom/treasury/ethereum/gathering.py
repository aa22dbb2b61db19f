"""From forwarders to the cold Safe: many swept in one chain tx, where that is worth its gas.

Whose money it is does not change by it: the books have it as cold from the deposit on. No signature is needed either,
since a forwarder can pay nobody else. A token that will not move is tried again later, and stops no other.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from strongroom.chains import service as chains
from strongroom.chains.ethereum.contracts import SweepItem, encode_sweep
from strongroom.chains.model import ChainStatus
from strongroom.deposits import service as deposits
from strongroom.deposits.model import Unswept
from strongroom.infra.clock import Clock
from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.settings import ChainSettings
from strongroom.outbound.ethereum.model import Relayed, RelayState
from strongroom.outbound.safe import service as safes
from strongroom.outbound.safe.model import token_of
from strongroom.outbound.safe.service import Safes
from strongroom.treasury.ethereum import rules, store
from strongroom.treasury.ethereum.model import Gathering, GatherState, Heap
from strongroom_core.assets import asset_by_id
from strongroom_core.evm import ZERO_ADDRESS, Call

_log = structlog.get_logger(__name__)
LOOK_AT_MAX: Final = 2000
# Each is followed until it is final; the relayer has no more nonces open than that.
UNDER_WAY_MAX: Final = 4
# Ethereum takes a quarter of an hour to call a block final.
PROOF_TIME: Final = timedelta(minutes=30)
SWEPT_BY_OTHERS: Final = "swept by others"


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Gathers on one EVM chain."""

    pool: Pool
    settings: ChainSettings
    safes: Safes
    clock: Clock

    async def step(self) -> int:
        """Follow the gathering that is under way, or plan the next one; 1 where something was done."""
        async with transaction(self.pool) as connection:
            tip = await chains.tip(connection, self.settings.id)
            if tip is None or tip.status is not ChainStatus.OK:
                return 0
            if not await store.take_turn(connection, self.settings.id):
                return 0
            under_way = await store.open_gatherings(connection, self.settings.id)
            ended = sum([await self._follow(connection, item) for item in under_way])
            if ended or len(under_way) >= UNDER_WAY_MAX:
                return ended
            busy: set[tuple[str, str]] = {(h.address_id, h.asset) for item in under_way for h in item.heaps}
            return await self._plan(connection, tip.height or 0, busy)

    async def _plan(self, connection: Connection, height: int, under_way: set[tuple[str, str]]) -> int:
        now, chain = self.clock.now(), self.settings.id
        await store.note_waiting(connection, chain, await deposits.unswept_totals(connection, chain), now)
        least = {item.id: max(1, item.minimum_deposit) for item in self.settings.held_assets}
        apart = under_way | await store.stuck_now(connection, chain, now)
        found = await deposits.unswept(connection, chain, LOOK_AT_MAX, least, apart)
        heaps = _heaps(item for item in found if item.asset in least)
        wanted, oldest = await store.short_assets(connection, chain), await store.oldest(connection, chain)
        urgent = await self._urgent(connection, under_way, now)
        full = await self._full(
            connection, rules.due(urgent, rules.worth_gathering(heaps, least, wanted, oldest, now)), height
        )
        if not full:
            return 0
        await self._send(connection, full)
        return 1

    async def _urgent(self, connection: Connection, busy: set[tuple[str, str]], now: datetime) -> list[Heap]:
        """Find what merchants' payouts wait for: until it is swept, the signers' books do not have it.

        What is under way already counts, and is not swept again; so does what was swept lately: its proof is on its
        way to the signers, who wait until it is final on their own nodes.
        """
        needs = await store.unproven_needs(connection, self.settings.id)
        stuck = await store.stuck_now(connection, self.settings.id, now)
        lately = await store.gathered_since(connection, self.settings.id, now - PROOF_TIME)
        found = await deposits.unswept_of(connection, self.settings.id, needs, LOOK_AT_MAX, stuck, lately)
        return [heap for heap in _heaps(found) if (heap.address_id, heap.asset) not in busy]

    async def _full(self, connection: Connection, due: Sequence[Heap], height: int) -> list[Heap]:
        """Find the first that hold something, as many as one sweep takes.

        Empty ones make room for those behind them.
        """
        full: list[Heap] = []
        for start in range(0, len(due), rules.GATHER_MAX):
            some = due[start : start + rules.GATHER_MAX]
            held = await asyncio.gather(*(self._balance(heap, "latest") for heap in some))
            full += [heap for heap, amount in zip(some, held, strict=True) if amount]
            await self._note_empty(connection, [h for h, amount in zip(some, held, strict=True) if not amount], height)
            if len(full) >= rules.GATHER_MAX:
                break
        return full[: rules.GATHER_MAX]

    async def _note_empty(self, connection: Connection, heaps: Sequence[Heap], height: int) -> None:
        """Note what anybody else has swept, once that is beyond the horizon: until then a reorg may bring it back."""
        deep = height - self.settings.horizon
        for heap in heaps:
            if deep >= 0 and not await self._balance(heap, deep):
                place = [(heap.address_id, heap.asset)]
                await deposits.emptied(connection, self.settings.id, place, deep, SWEPT_BY_OTHERS)

    async def _balance(self, heap: Heap, block: int | str) -> int:
        return await self.safes.balance(asset_by_id(heap.asset), heap.script, block)

    async def _send(self, connection: Connection, heaps: Sequence[Heap]) -> None:
        name = f"gather-{uuid.uuid4().hex}"
        items = [SweepItem(heap.branch, heap.index, _token(heap)) for heap in heaps]
        call = Call(self.safes.places.factory, 0, encode_sweep(items))
        await store.insert(connection, name, self.settings.id, heaps)
        await safes.gather(connection, self.settings, name, call, rules.gather_gas(len(items)))
        _log.info("gathering", chain=self.settings.id, gathering=name, forwarders=len(heaps))

    async def _follow(self, connection: Connection, item: Gathering) -> int:
        relayed = await safes.gathered(connection, self.settings, item.id)
        if relayed is None or relayed.state not in (RelayState.FINAL, RelayState.DROPPED):
            return 0
        if relayed.state is RelayState.DROPPED or not relayed.success:
            reason = relayed.reason or "the chain tx failed"
            await self._end(connection, item, GatherState.FAILED, relayed, reason)
            for heap in item.heaps:
                await self._note_stuck(connection, heap, reason)
            return 1
        for heap in item.heaps:
            await self._look_again(connection, item, heap, relayed)
        await self._end(connection, item, GatherState.DONE, relayed, "")
        return 1

    async def _look_again(self, connection: Connection, item: Gathering, heap: Heap, relayed: Relayed) -> None:
        """Say what became of one forwarder: by its balance after the block, not by what a token's log says."""
        height, txid = relayed.height or 0, relayed.txid or ""
        before, left = await self._balance(heap, height - 1), await self._balance(heap, height)
        place = {"address": heap.address_id, "asset": heap.asset}
        await store.run(connection, "record_swept", id=item.id, left=left, **place)
        if left and left >= before:
            await self._note_stuck(connection, heap, "the token did not move")
            return
        await store.run(connection, "forget_stuck", chain=self.settings.id, **place)
        # What is left came after the sweep, in its block: that deposit is still to be swept.
        until = height - 1 if left else height
        await deposits.emptied(connection, self.settings.id, [(heap.address_id, heap.asset)], until, txid)

    async def _note_stuck(self, connection: Connection, heap: Heap, reason: str) -> None:
        place = {"chain": self.settings.id, "address": heap.address_id, "asset": heap.asset}
        await store.run(connection, "note_stuck", **place, reason=reason, now=self.clock.now())
        _log.error("a forwarder could not be swept", **place, reason=reason)

    async def _end(
        self, connection: Connection, item: Gathering, state: GatherState, relayed: Relayed, reason: str
    ) -> None:
        values = {"txid": relayed.txid, "height": relayed.height, "reason": reason}
        await store.run(connection, "end_gathering", id=item.id, state=state, **values)


def _heaps(found: Iterable[Unswept]) -> list[Heap]:
    return [
        Heap(item.address.id, item.address.branch, item.address.index, item.address.script, item.asset, item.amount)
        for item in found
    ]


def _token(heap: Heap) -> bytes:
    return token_of(asset_by_id(heap.asset)) or ZERO_ADDRESS
