"""The steps that a treasury process runs in loops."""

from __future__ import annotations

from strongroom.chains.model import ChainNode
from strongroom.infra.database import Pool
from strongroom.infra.settings import ChainSettings, SignerSettings
from strongroom.outbound import following
from strongroom.outbound.broadcasting import Broadcasting
from strongroom.outbound.signers import Signer, SignerClient
from strongroom.outbound.signing import Signing
from strongroom.outbound.voiding import Voiding


def connect_signers(settings: tuple[SignerSettings, ...]) -> tuple[SignerClient, ...]:
    """Make the clients of all signers; nothing is opened before the first request."""
    return tuple(SignerClient(item) for item in settings)


async def sign(pool: Pool, settings: ChainSettings, signers: tuple[Signer, ...]) -> int:
    """Have planned versions signed."""
    return await Signing(pool, settings, signers).step()


async def void(pool: Pool, settings: ChainSettings, signers: tuple[Signer, ...]) -> int:
    """Have withdrawn payouts voided."""
    return await Voiding(pool, settings, signers).step()


async def check_signers(pool: Pool, settings: ChainSettings, signers: tuple[Signer, ...]) -> int:
    """Ask the signers how they are, for people to see."""
    await Signing(pool, settings, signers).check_signers()
    return 0


async def broadcast(pool: Pool, settings: ChainSettings, node: ChainNode) -> int:
    """Send signed versions to the network."""
    return await Broadcasting(pool, settings, node).step()


async def rebroadcast(pool: Pool, settings: ChainSettings, node: ChainNode) -> int:
    """Offer to the node again what no block has yet."""
    return await Broadcasting(pool, settings, node).rebroadcast()


async def follow(pool: Pool, settings: ChainSettings) -> int:
    """Handle the next chain events."""
    return await following.follow(pool, settings)
