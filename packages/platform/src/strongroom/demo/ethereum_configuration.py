"""What the demonstration has on its Ethereum devnet: contracts, tokens, limits; as settings and as the signers' policy.

Every address follows from the owners' keys and the contracts' code (CREATE2), so that settings and policy are written
before anything stands on the chain.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.chains.ethereum.contracts import DEPLOYER, NO_SALT, contract, create2_address
from strongroom.chains.ethereum.deployment import Deployment, Step, plan_deployment
from strongroom.chains.ethereum.keccak import keccak
from strongroom.demo.environment import Environment
from strongroom.infra.components.hosting import LOOPBACK
from strongroom_core.abi import address_text, parse_address
from strongroom_core.assets import DEVNET, DEVNET_ETH, REGTEST_BTC, Asset, register_asset
from strongroom_core.evm import ZERO_ADDRESS

CHAIN: Final = DEVNET
HORIZON: Final = 6
CONFIRMATIONS: Final = 2
HOT_OWNERS: Final = ("a", "b", "recovery")
COLD_OWNERS: Final = ("cold-1", "cold-2", "cold-3")
RELAYERS: Final = ("active", "spare")
MILLION: Final = 1_000_000
#: What a conversion may be priced at: base units of USDT for a satoshi, at 65,000 dollars, and how far to both sides.
PRICE: Final = 650
BAND_PPM: Final = 20_000
#: Satoshis that a day's conversions may sell, and their price that they may buy back.
CONVERTED_PER_DAY: Final = 200_000
_ROLES: Final = ("factory", "cold_safe", "hot_safe", "allowance", "multisend")


def _token(code: str, name: str, *arguments: object) -> tuple[Asset, Step]:
    """Describe a token of the test corpus, and the call of the CREATE2 deployer that makes it."""
    init_code = contract(name).init_code(*arguments)
    address = create2_address(DEPLOYER, NO_SALT, init_code)
    asset = register_asset(Asset(f"{CHAIN.id}/erc20:0x{address.hex()}", code, 6))
    return asset, Step(code, DEPLOYER, NO_SALT + init_code, address)


#: One that answers nothing, as USDT does on Ethereum, and one that blocks addresses, as USDC does.
USDT, _USDT_STEP = _token("USDT", "test/TetherToken", 6)
USDC, _USDC_STEP = _token("USDC", "test/CircleToken", "Demonstration dollar", "USDC", 6)
ETH: Final = DEVNET_ETH
TOKENS: Final = (_USDT_STEP, _USDC_STEP)


@dataclass(frozen=True, slots=True)
class Holding:
    """One asset, all in base units: what the house puts in, and what the hot Safe may draw of it in a day.

    ``draw`` is at most ``capital``: with nothing in the hot Safe, theft of all online keys takes the house's own.
    """

    asset: Asset
    capital: int
    draw: int
    minimum: int
    payout_fee: int
    rates: dict[str, str]

    @property
    def token(self) -> bytes:
        """The contract, or the zero address for the chain's coin."""
        return token_of(self.asset)


HOLDINGS: Final = (
    Holding(USDT, 2_000_000_000, 1_000_000_000, 1_000_000, 500_000, {"USD": "1.00", "EUR": "0.92"}),
    Holding(USDC, 2_000_000_000, 1_000_000_000, 1_000_000, 500_000, {"USD": "1.00", "EUR": "0.92"}),
    Holding(ETH, 5 * 10**18, 10**18, 10**16, 10**15, {"USD": "3000.00", "EUR": "2760.00"}),
)


def token_of(asset: Asset) -> bytes:
    """Give a token's contract (20 bytes); the zero address for the chain's coin."""
    return bytes.fromhex(asset.contract[2:]) if asset.contract else ZERO_ADDRESS


def deployment_of(environment: Environment) -> Deployment:
    """Plan both Safes and what stands between them, from the owners' addresses in the environment."""
    owners: dict[str, str] = environment.facts["owners"]
    cold, hot = (tuple(parse_address(owners[name], keccak) for name in names) for names in (COLD_OWNERS, HOT_OWNERS))
    return plan_deployment(cold, hot)


def relayer_key_file(environment: Environment, name: str) -> Path:
    """Name the file of a relayer's key; only the treasury process reads it."""
    return environment.root / "relayers" / f"{name}.key"


def fixed_rates() -> dict[str, str]:
    """Give the demonstration's prices of what it has on this chain."""
    return {f"{item.asset.code}/{fiat}": price for item in HOLDINGS for fiat, price in item.rates.items()}


def chain_settings(environment: Environment) -> str:
    """Write the chain's part of the settings."""
    places = deployment_of(environment)
    contracts = "".join(f"{role} = {_text(text(getattr(places, role)))}\n" for role in _ROLES)
    relayers = ", ".join(_text(str(relayer_key_file(environment, name))) for name in RELAYERS)
    return f"""
[[chains]]
id = {_text(CHAIN.id)}
poll_seconds = 0.5
horizon = {HORIZON}
tiers = [{{ confirmations = {CONFIRMATIONS} }}]

[chains.ethereum]
rpc_urls = [{_text(f"http://{LOOPBACK}:{environment.ports['ethereum_rpc']}")}]
agree_min = 1  # of one node: allowed on test chains only, a real chain needs two that agree
{contracts}relayer_key_files = [{relayers}]
{"".join(map(_asset_settings, HOLDINGS))}"""


def chain_policy(environment: Environment) -> str:
    """Write the chain's part of the signers' policy."""
    places = deployment_of(environment)
    owners: dict[str, str] = environment.facts["owners"]
    hot, cold = (", ".join(_text(owners[name]) for name in names) for names in (HOT_OWNERS, COLD_OWNERS))
    contracts = "".join(f"{role} = {_text(text(getattr(places, role)))}\n" for role in _ROLES)
    return f"""
[chains.{_text(CHAIN.id)}]
{contracts}hot_owners = [{hot}]
cold_owners = [{cold}]
first_nonce = 0
new_nonces_per_day = 1000
nodes_min = 1
view_seconds = 600
{"".join(map(_asset_policy, HOLDINGS))}"""


def conversion_bands() -> str:
    """Write between which prices the signers book conversions of BTC and USDT, and how much a day."""
    low, high = (PRICE * (MILLION + sign * BAND_PPM) // MILLION for sign in (-1, 1))
    bands = (
        (REGTEST_BTC.id, USDT.id, f"[{low}, 1]", f"[{high}, 1]", CONVERTED_PER_DAY),
        (USDT.id, REGTEST_BTC.id, f"[1, {high}]", f"[1, {low}]", CONVERTED_PER_DAY * PRICE),
    )
    rows = [
        f"{{ sell = {_text(sell)}, buy = {_text(buy)}, least = {least}, most = {most}, per_day = {per_day} }}"
        for sell, buy, least, most, per_day in bands
    ]
    return f"[{', '.join(rows)}]"


def text(address: bytes) -> str:
    """Write an address with its checksum (EIP-55)."""
    return address_text(address, keccak)


def _asset_settings(item: Holding) -> str:
    par = "" if item.asset.contract is None else 'par = "USD"\n'
    return f"""
[[chains.assets]]
id = {_text(item.asset.id)}
code = {_text(item.asset.code)}
decimals = {item.asset.decimals}
minimum_deposit = {item.minimum}
payout_fee = {item.payout_fee}
{par}"""


def _asset_policy(item: Holding) -> str:
    return f"""
[assets.{_text(item.asset.id)}]
per_payout = {item.draw // 2}
per_window = {item.draw}
window_seconds = 86400
payout_fee = {item.payout_fee}
draw_per_day = {item.draw}
"""


def _text(value: str) -> str:
    """Write a TOML basic string, whose escapes JSON's are a part of."""
    return json.dumps(value, ensure_ascii=False)
