"""The loops' steps: keep pools filled, follow the chain's facts about our coins."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from strongroom.chains import service as chains
from strongroom.chains.model import ChainEvent, EventKind
from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.settings import ChainSettings, Settings
from strongroom.wallets import coin_store, pools, store
from strongroom.wallets.model import COINS_CONSUMER, Branch

EVENTS_MAX: Final = 200
BRANCHES_MAX: Final = 20


async def refill_pools(pool: Pool, settings: Settings) -> int:
    """Refill half-empty pools of all chains, one batch each; the count of addresses derived."""
    derived = 0
    for chain in settings.chains:
        async with transaction(pool) as connection:
            low = await store.low_branches(connection, chain.id, BRANCHES_MAX)
        for branch in low:
            derived += await _refill(pool, branch)
    return derived


async def _refill(pool: Pool, branch: Branch) -> int:
    async with transaction(pool) as connection:
        locked = await pools.lock(connection, branch.chain, branch.kind, branch.branch)
        return await pools.refill(connection, locked, datetime.now(UTC))


async def follow_coins(pool: Pool, chain: ChainSettings) -> int:
    """Bring our record of coins up to the chain's facts, a batch per transaction; the count of events handled.

    An account chain has no coins: what its addresses hold is what deposits brought and gathering took away.
    """
    if chain.is_evm:
        return 0
    async with transaction(pool) as connection:
        after = await chains.take_cursor(connection, COINS_CONSUMER, chain.id)
        events = await chains.read_events(connection, chain.id, after, EVENTS_MAX)
        for event in events:
            await _apply(connection, event)
        if events:
            await chains.advance_cursor(connection, COINS_CONSUMER, chain.id, events[-1].id)
    return len(events)


async def _apply(connection: Connection, event: ChainEvent) -> None:
    txids = [tx.txid for tx in event.txs]
    if event.kind is EventKind.DISCONNECTED:
        await coin_store.orphan(connection, event)
    elif not txids:
        return
    elif event.kind is EventKind.MEMPOOL_REMOVED:
        await coin_store.leave_mempool(connection, event.chain, txids)
    else:
        await coin_store.place(connection, event, in_mempool=event.kind is EventKind.MEMPOOL_ADDED)
        await coin_store.insert(connection, event.chain, event.txs)
    if txids:
        await coin_store.refresh(connection, event.chain, txids)
