"""Which network, which token: what may be sent to an invoice's address, and what becomes of anything else.

The words promise no more than docs/wrong-network.md can keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from strongroom.chains.ethereum.keccak import keccak
from strongroom_core.abi import address_text
from strongroom_core.assets import Asset, chain_by_id, network_name

# Where people hold the same code most, the likeliest mistake first; names as wallets and exchanges show them.
_ELSEWHERE: Final = {
    "USDT": ("Tron (TRC-20)", "BNB Chain (BEP-20)", "Ethereum (ERC-20)"),
    "USDC": ("Solana", "Base", "Ethereum (ERC-20)"),
    "ETH": ("Base", "Arbitrum", "Ethereum"),
}
_NAMED: Final = 2
_CONTRACT_ENDS: Final = (6, 4)


@dataclass(frozen=True, slots=True)
class Advice:
    """What the page says of the network; ``contract`` is the token's, checksummed (EIP-55), empty for a coin."""

    only: str
    elsewhere: str
    wrong_token: str
    wrong_network: str
    contract: str
    contract_short: str


def advice(asset: Asset) -> Advice:
    """Say what may be sent for an invoice in ``asset``, and what becomes of anything else."""
    network = network_name(asset)
    contract = "" if asset.contract is None else address_text(bytes.fromhex(asset.contract[2:]), keccak)
    head, tail = _CONTRACT_ENDS
    evm = chain_by_id(asset.chain_id).is_evm
    return Advice(
        only=f"Send {asset.code} on {network} only",
        elsewhere=_elsewhere(asset, network),
        wrong_token=_wrong_token(asset, network) if evm else "",
        wrong_network=_OTHER_EVM_NETWORK if evm else _OTHER_NETWORK,
        contract=contract,
        contract_short=f"{contract[:head]}…{contract[-tail:]}" if contract else "",
    )


def _elsewhere(asset: Asset, network: str) -> str:
    others = [name for name in _ELSEWHERE.get(asset.code, ()) if name.partition(" (")[0] != network][:_NAMED]
    named = f"{asset.code} on {' or '.join(others)}" if others else f"{asset.code} on any other network"
    return f"{named}, sent to this address, is not seen by us and does not pay this invoice."


def _wrong_token(asset: Asset, network: str) -> str:
    return (
        f"Anything but {asset.code} that is sent here on {network} does not pay this invoice. If the merchant takes it "
        "at all, it is credited to them as what it is, and this page shows it; if not, it can only be brought back by "
        "hand. Ask the merchant."
    )


_OTHER_EVM_NETWORK: Final = (
    "We do not see it. On a network whose addresses look the same (0x…) it can mostly be brought back by hand, which "
    "takes days and may not be worth it; from Tron or another kind of network nobody can bring it back. Keep the "
    "payment's transaction hash and ask the merchant."
)
_OTHER_NETWORK: Final = "We do not see it, and nobody may be able to bring it back. Ask the merchant."
