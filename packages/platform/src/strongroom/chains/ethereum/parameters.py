"""What differs between the EVM chains.

Blocks are counted as in DESIGN: the confirmations asked for grow with the amount. The amounts are of the chain's coin;
a token's tiers are its own settings. Sources: the chains' own documents on block time and finality (Ethereum 12 s
slots, finalized after two epochs; Polygon 2 s; BNB Chain 0.75 s; Base and Optimism 2 s; Arbitrum 0.25 s).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from strongroom.infra.settings import Tier
from strongroom_core.assets import Chain, UnknownChainError, chain_by_id

NAMESPACE: Final = "eip155:"


@dataclass(frozen=True, slots=True)
class EthereumParameters:
    """One chain: its EIP-155 number, the seconds between blocks, and the tiers where the settings name none."""

    chain: Chain
    number: int
    spacing_seconds: float
    tiers: tuple[Tier, ...]


def _any_amount(confirmations: int) -> tuple[Tier, ...]:
    return (Tier(confirmations=confirmations),)


# Confirmations that outlast what was seen of reorgs on each, at least a minute where blocks are fast.
_PARAMETERS: Final = {
    1: (12.0, _any_amount(12)),
    11155111: (12.0, _any_amount(12)),
    137: (2.0, _any_amount(64)),
    56: (0.75, _any_amount(80)),
    8453: (2.0, _any_amount(30)),
    10: (2.0, _any_amount(30)),
    42161: (0.25, _any_amount(240)),
    31337: (1.0, _any_amount(2)),
}


def chain_number(chain_id: str) -> int:
    """Give the EIP-155 number of ``eip155:1`` and the like. Raises ``UnknownChainError``."""
    reference = chain_id.removeprefix(NAMESPACE)
    if chain_id.startswith(NAMESPACE) and reference.isdigit():
        return int(reference)
    message = f"{chain_id!r} is no EVM chain"
    raise UnknownChainError(message)


def parameters_of(chain_id: str) -> EthereumParameters:
    """Find a chain's parameters by its CAIP-2 id. Raises ``UnknownChainError``."""
    number = chain_number(chain_id)
    chain = chain_by_id(chain_id)
    spacing_seconds, tiers = _PARAMETERS.get(number, (12.0, _any_amount(64)))
    return EthereumParameters(chain, number, spacing_seconds, tiers)
