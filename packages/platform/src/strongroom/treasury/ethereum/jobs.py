"""The steps that a treasury process runs in loops for an EVM chain."""

from __future__ import annotations

from strongroom.infra.clock import Clock
from strongroom.infra.database import Pool
from strongroom.infra.settings import ChainSettings
from strongroom.outbound.safe.model import SafeNode
from strongroom.outbound.safe.service import Safes
from strongroom.treasury.ethereum import keeping
from strongroom.treasury.ethereum.gathering import Gatherer
from strongroom.treasury.ethereum.planning import SafePlanner


async def plan(pool: Pool, settings: ChainSettings, node: SafeNode, clock: Clock) -> int:
    """Plan slots for waiting payouts."""
    return await SafePlanner(pool, settings, Safes(settings, node), clock).plan()


async def guard(pool: Pool, settings: ChainSettings, node: SafeNode, clock: Clock) -> int:
    """Compare what online keys can reach with the house's capital."""
    return await keeping.guard(SafePlanner(pool, settings, Safes(settings, node), clock))


async def sweep(pool: Pool, settings: ChainSettings, node: SafeNode, clock: Clock) -> int:
    """Bring to cold what the hot Safe holds above the band."""
    return await keeping.sweep(SafePlanner(pool, settings, Safes(settings, node), clock))


async def gather(pool: Pool, settings: ChainSettings, node: SafeNode, clock: Clock) -> int:
    """Sweep forwarders to the cold Safe."""
    return await Gatherer(pool, settings, Safes(settings, node), clock).step()
