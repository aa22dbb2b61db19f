"""The steps that a treasury process runs in loops, for each EVM chain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from strongroom.infra.clock import Clock
from strongroom.infra.database import Pool
from strongroom.infra.settings import ChainSettings
from strongroom.outbound.ethereum import keys
from strongroom.outbound.ethereum.assigning import Assigning
from strongroom.outbound.ethereum.checking import Checking
from strongroom.outbound.ethereum.following import Following
from strongroom.outbound.ethereum.keys import RelayerKeys
from strongroom.outbound.ethereum.model import RelayNode
from strongroom.outbound.ethereum.raising import Raising
from strongroom.outbound.ethereum.relaying import Relaying
from strongroom.outbound.ethereum.sending import Sending

Step = Callable[[], Awaitable[int]]


def load_keys(settings: ChainSettings) -> RelayerKeys:
    """Read the relayers' keys of a chain; those that cannot be read are named in ``problems``."""
    return keys.load_relayer_keys(settings.ethereum.relayer_key_files if settings.ethereum else ())


def make_relayer_key(path: Path) -> bytes:
    """Make a relayer's key file where there is none; its address (20 bytes). Raises ``RelayerKeyError``."""
    return keys.make_relayer_key(path)


async def assign(pool: Pool, settings: ChainSettings, node: RelayNode, clock: Clock, relayers: RelayerKeys) -> int:
    """Give nonces to planned relays."""
    return await Assigning(Relaying(pool, settings, node, clock, relayers)).step()


async def sign(pool: Pool, settings: ChainSettings, node: RelayNode, clock: Clock, relayers: RelayerKeys) -> int:
    """Sign planned versions."""
    return await Sending(Relaying(pool, settings, node, clock, relayers)).sign_all()


async def broadcast(pool: Pool, settings: ChainSettings, node: RelayNode, clock: Clock, relayers: RelayerKeys) -> int:
    """Send signed versions."""
    return await Sending(Relaying(pool, settings, node, clock, relayers)).send_all()


async def bump(pool: Pool, settings: ChainSettings, node: RelayNode, clock: Clock, relayers: RelayerKeys) -> int:
    """Offer more for stuck nonces, and take empty ones and gaps by self-calls."""
    return await Raising(Relaying(pool, settings, node, clock, relayers)).step()


async def follow(pool: Pool, settings: ChainSettings, node: RelayNode, clock: Clock, relayers: RelayerKeys) -> int:
    """See what the chain has of our nonces, and send again what it has lost."""
    return await Following(Relaying(pool, settings, node, clock, relayers)).step()


async def check(pool: Pool, settings: ChainSettings, node: RelayNode, clock: Clock, relayers: RelayerKeys) -> int:
    """Look at gas, keys and budget, for people to see."""
    return await Checking(Relaying(pool, settings, node, clock, relayers)).step()


def relay_steps(
    pool: Pool, settings: ChainSettings, node: RelayNode, clock: Clock, relayers: RelayerKeys
) -> list[tuple[str, Step, float, tuple[str, ...]]]:
    """Give the loops of one chain: name, step, seconds between two turns, channels that wake it sooner."""
    steps = (
        ("relay assign", assign, 1.0, ("relay",)),
        ("relay sign", sign, 1.0, ("relay",)),
        ("relay broadcast", broadcast, 1.0, ("relay",)),
        ("relay follow", follow, settings.poll_seconds, ("chain",)),
        ("relay bump", bump, 5.0, ()),
        ("relay check", check, 15.0, ()),
    )
    return [
        (name, partial(step, pool, settings, node, clock, relayers), seconds, channels)
        for name, step, seconds, channels in steps
    ]
