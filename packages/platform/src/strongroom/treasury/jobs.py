"""The steps that a treasury process runs in loops, and the handlers that a worker process runs for it."""

from __future__ import annotations

from strongroom.chains.model import ChainNode
from strongroom.infra.clock import Clock
from strongroom.infra.database import Pool
from strongroom.infra.outbox import Handler
from strongroom.infra.settings import ChainSettings
from strongroom.treasury import events, keeping, planning
from strongroom.treasury.planning import Planner


async def plan(pool: Pool, settings: ChainSettings, node: ChainNode, clock: Clock) -> int:
    """Plan slots for waiting payouts."""
    return await Planner(pool, settings, node, clock).plan()


async def expire(pool: Pool, settings: ChainSettings, node: ChainNode, clock: Clock) -> int:
    """Take back waiting payouts beyond their expiry."""
    return await Planner(pool, settings, node, clock).expire()


async def expire_waiting(pool: Pool, settings: ChainSettings, clock: Clock) -> int:
    """Take back waiting payouts beyond their expiry, where there is no planner of coins."""
    return await planning.expire_waiting(pool, settings, clock)


async def sweep(pool: Pool, settings: ChainSettings, node: ChainNode, clock: Clock) -> int:
    """Bring to cold what is above the hot band."""
    return await keeping.sweep(Planner(pool, settings, node, clock))


async def consolidate(pool: Pool, settings: ChainSettings, node: ChainNode, clock: Clock) -> int:
    """Merge small coins while the fee rate is low."""
    return await keeping.consolidate(Planner(pool, settings, node, clock))


async def bump(pool: Pool, settings: ChainSettings, node: ChainNode, clock: Clock) -> int:
    """Replace by fee what is stuck."""
    return await keeping.bump(Planner(pool, settings, node, clock))


async def choose_intake(pool: Pool, settings: ChainSettings, node: ChainNode, clock: Clock) -> int:
    """Choose hot or cold for the next invoices."""
    return await keeping.choose_intake(Planner(pool, settings, node, clock))


def handlers() -> list[tuple[str, Handler]]:
    """Give (topic, handler) pairs for the dispatcher of the worker."""
    return [
        ("outbound.signed", events.on_signed),
        ("outbound.final", events.on_final),
        ("outbound.abandoned", events.on_abandoned),
        ("outbound.released", events.on_released),
        ("ledger.breach-began", events.on_breach),
        ("ledger.breach-ended", events.on_breach_over),
    ]
