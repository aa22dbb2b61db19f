"""What the signer knows of an EVM chain: its number, its coin, and where its own key stands (BIP 44).

Main networks share one key, ``m/44'/60'/0'/0/0``, and test networks another, ``m/44'/1'/0'/0/0`` (SLIP-44: coin type 1
is every test network). One key on many chains is safe here, unlike on the bitcoin-likes: what a Safe's owner signs
names the chain and the Safe (EIP-712).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from strongroom_core.abi import ADDRESS_BYTES
from strongroom_core.assets import (
    ARBITRUM,
    BASE,
    BNB_CHAIN,
    DEVNET,
    ETHEREUM,
    OPTIMISM,
    POLYGON,
    SEPOLIA,
    Asset,
    Chain,
    native_asset,
)
from strongroom_core.evm import ZERO_ADDRESS
from strongroom_signer.curve import HARDENED

_MAIN_COIN: Final = 60
_TEST_COIN: Final = 1
_ERC20: Final = "/erc20:0x"
_ADDRESS_DIGITS: Final = 2 * ADDRESS_BYTES

# MultiSendCallOnly at the addresses that Safe's deployments give it on every chain. CREATE2 computes such an address
# from the hash of the contract's creation code (EIP-1014), so to pin the address is to pin the code.
MULTI_SEND_CALL_ONLY: Final = {
    bytes.fromhex("40a2accbd92bca938b02010e17a5b8929b49130d"): "1.3.0",
    bytes.fromhex("9641d764fc13c8b624c04430c7356c1c7c8102e2"): "1.4.1",
    bytes.fromhex("a83c336b20401af773b6219ba5027174338d1836"): "1.5.0",
}


@dataclass(frozen=True, slots=True)
class EvmParameters:
    """One EVM chain."""

    chain: Chain

    @property
    def number(self) -> int:
        """The chain id of EIP-155."""
        return self.chain.evm_id

    @property
    def asset(self) -> Asset:
        """The coin of the chain."""
        return native_asset(self.chain)

    @property
    def owner_path(self) -> tuple[int, ...]:
        """BIP 44: purpose 44, the coin type, account 0, external, index 0."""
        coin = _TEST_COIN if self.chain.test else _MAIN_COIN
        return (HARDENED + 44, HARDENED + coin, HARDENED, 0, 0)

    def contract(self, asset_id: str) -> bytes | None:
        """Give the contract (20 bytes) of an asset of this chain: zero for its coin, None for what is no such asset."""
        if asset_id == self.asset.id:
            return ZERO_ADDRESS
        digits = asset_id.removeprefix(self.chain.id + _ERC20)
        if asset_id != f"{self.chain.id}{_ERC20}{digits}" or len(digits) != _ADDRESS_DIGITS:
            return None
        try:
            contract = bytes.fromhex(digits)
        except ValueError:
            return None
        return contract if contract.hex() == digits and contract != ZERO_ADDRESS else None


EVM_PARAMETERS: Final = {
    chain.id: EvmParameters(chain)
    for chain in (ETHEREUM, OPTIMISM, BNB_CHAIN, POLYGON, BASE, ARBITRUM, SEPOLIA, DEVNET)
}


def evm_chain_of(asset_id: str) -> EvmParameters | None:
    """Give the EVM chain that an asset lives on, or None where it is no asset of one that this signer knows."""
    parameters = EVM_PARAMETERS.get(asset_id.partition("/")[0])
    return parameters if parameters is not None and parameters.contract(asset_id) is not None else None
