"""The steps that a treasury process runs in loops for an EVM chain, beside signing and voiding."""

from __future__ import annotations

from strongroom.infra.database import Pool
from strongroom.infra.settings import ChainSettings
from strongroom.outbound.safe import following
from strongroom.outbound.safe.handing import Handing
from strongroom.outbound.safe.measuring import Measuring
from strongroom.outbound.safe.model import SafeNode
from strongroom.outbound.safe.passing import Passing
from strongroom.outbound.safe.signing import SafeScheme
from strongroom.outbound.signers import Signer
from strongroom.outbound.signing import Signing


async def sign(pool: Pool, settings: ChainSettings, signers: tuple[Signer, ...], node: SafeNode) -> int:
    """Have planned Safe transactions signed."""
    return await Signing(pool, settings, signers, SafeScheme(settings, node)).step()


async def hand_over(pool: Pool, settings: ChainSettings, node: SafeNode) -> int:
    """Have signed Safe transactions executed by the relayer, in the order of their nonces."""
    return await Handing(pool, settings, node).step()


async def follow(pool: Pool, settings: ChainSettings) -> int:
    """Move slots by what the chain says."""
    return await following.follow(pool, settings)


async def measure(pool: Pool, settings: ChainSettings, node: SafeNode) -> int:
    """Compare balances with what was to be paid."""
    return await Measuring(pool, settings, node).step()


async def settle(pool: Pool, settings: ChainSettings) -> int:
    """End what is beyond the horizon."""
    return await following.settle(pool, settings)


async def end_passed(pool: Pool, settings: ChainSettings, node: SafeNode) -> int:
    """End slots whose nonce was used by something else."""
    return await Passing(pool, settings, node).step()
