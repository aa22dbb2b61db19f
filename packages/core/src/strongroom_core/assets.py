"""Chains and assets, named by CAIP-2 and CAIP-19 so that a name means one thing on every chain.

Sources: CAIP-2 (https://chainagnostic.org/CAIPs/caip-2), CAIP-19 (…/caip-19), the bip122 namespace (a chain is named
by the first 32 hex digits of its genesis block's hash), the eip155 namespace (a chain is named by its chain id, a token
by ``erc20:`` and its contract), SLIP-44 for coin types (1 stands for every test network of the bitcoin-likes).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from strongroom_core.errors import InvalidValueError

_CHAIN_ID = re.compile(r"[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}")
_ASSET_ID = re.compile(r"[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}/[-a-z0-9]{3,8}:[-.%a-zA-Z0-9]{1,128}")
# Lower case only: the checksummed way to write a contract would give one token two names.
_TOKEN_ID = re.compile(r"eip155:[1-9][0-9]{0,31}/erc20:0x[0-9a-f]{40}")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.]{0,15}")
MAX_DECIMALS = 36


class UnknownAssetError(InvalidValueError):
    """No asset of that name is known here."""

    code = "asset-unknown"


class AmbiguousAssetError(InvalidValueError):
    """A short code that several assets have; a CAIP-19 id says which one is meant."""

    code = "asset-ambiguous"


class AssetConflictError(InvalidValueError):
    """An asset that would take the name of another one, or that cannot be added."""

    code = "asset-conflict"


class UnknownChainError(InvalidValueError):
    """No chain of that name is known here."""

    code = "chain-unknown"


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain: its CAIP-2 id, a readable name, and whether its coins are worth nothing (``test``)."""

    id: str
    name: str
    test: bool

    def __post_init__(self) -> None:
        """Refuse an id that is not CAIP-2."""
        if not _CHAIN_ID.fullmatch(self.id):
            message = f"{self.id!r} is not a CAIP-2 chain id"
            raise InvalidValueError(message)

    @property
    def is_evm(self) -> bool:
        """Whether it is an account chain of the Ethereum kind (the ``eip155`` namespace)."""
        return self.id.startswith("eip155:")

    @property
    def evm_id(self) -> int:
        """The chain id of EIP-155, 1 for Ethereum. Raises ``UnknownChainError`` for any other chain."""
        if not self.is_evm:
            message = f"{self.name} is no EVM chain"
            raise UnknownChainError(message)
        return int(self.id.partition(":")[2])

    def __str__(self) -> str:
        """Give the CAIP-2 id."""
        return self.id


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset: its CAIP-19 id, a short code for people, and how many decimals its base unit stands below one."""

    id: str
    code: str
    decimals: int

    fiat_namespace: ClassVar[str] = "swift:0/iso4217:"

    def __post_init__(self) -> None:
        """Refuse an id that is not CAIP-19 and decimals that no asset has."""
        if not _ASSET_ID.fullmatch(self.id):
            message = f"{self.id!r} is not a CAIP-19 asset id"
            raise InvalidValueError(message)
        if type(self.decimals) is not int or not 0 <= self.decimals <= MAX_DECIMALS:
            message = f"{self.code}: decimals must be an integer from 0 to {MAX_DECIMALS}"
            raise InvalidValueError(message)

    @property
    def chain_id(self) -> str:
        """The CAIP-2 id of the chain that the asset lives on."""
        return self.id.partition("/")[0]

    @property
    def is_fiat(self) -> bool:
        """Whether this is a currency that prices are named in, never one that we hold."""
        return self.id.startswith(self.fiat_namespace)

    @property
    def contract(self) -> str | None:
        """The contract of an ERC-20 token, ``0x`` and 40 lower-case hex digits; None for a coin."""
        return self.id.rpartition(":")[2] if _TOKEN_ID.fullmatch(self.id) else None

    def __str__(self) -> str:
        """Give the short code, for people."""
        return self.code


def _bitcoin(genesis: str, name: str, *, test: bool) -> Chain:
    return Chain(f"bip122:{genesis}", name, test)


def _coin(chain: Chain, code: str, coin_type: int) -> Asset:
    return Asset(f"{chain.id}/slip44:{coin_type}", code, 18 if chain.is_evm else 8)


def _token(chain: Chain, code: str, contract: str, decimals: int = 6) -> Asset:
    return Asset(f"{chain.id}/erc20:{contract}", code, decimals)


BITCOIN = _bitcoin("000000000019d6689c085ae165831e93", "Bitcoin", test=False)
BITCOIN_TESTNET = _bitcoin("000000000933ea01ad0ee984209779ba", "Bitcoin testnet3", test=True)
BITCOIN_SIGNET = _bitcoin("00000008819873e925422c1ff0f99f7c", "Bitcoin signet", test=True)
BITCOIN_REGTEST = _bitcoin("0f9188f13cb7b2c71f2a335e3a4fc328", "Bitcoin regtest", test=True)
LITECOIN = _bitcoin("12a765e31ffd4059bada1e25190f6e98", "Litecoin", test=False)
LITECOIN_REGTEST = _bitcoin("530827f38f93b43ed12af0b3ad25a288", "Litecoin regtest", test=True)

ETHEREUM = Chain("eip155:1", "Ethereum", test=False)
OPTIMISM = Chain("eip155:10", "Optimism", test=False)
BNB_CHAIN = Chain("eip155:56", "BNB Chain", test=False)
POLYGON = Chain("eip155:137", "Polygon", test=False)
BASE = Chain("eip155:8453", "Base", test=False)
ARBITRUM = Chain("eip155:42161", "Arbitrum", test=False)
SEPOLIA = Chain("eip155:11155111", "Ethereum Sepolia", test=True)
DEVNET = Chain("eip155:31337", "Ethereum devnet", test=True)

BTC = _coin(BITCOIN, "BTC", 0)
TEST_BTC = _coin(BITCOIN_TESTNET, "BTC", 1)
SIGNET_BTC = _coin(BITCOIN_SIGNET, "BTC", 1)
REGTEST_BTC = _coin(BITCOIN_REGTEST, "BTC", 1)
LTC = _coin(LITECOIN, "LTC", 2)
REGTEST_LTC = _coin(LITECOIN_REGTEST, "LTC", 1)

ETH = _coin(ETHEREUM, "ETH", 60)
OPTIMISM_ETH = _coin(OPTIMISM, "ETH", 60)
BNB = _coin(BNB_CHAIN, "BNB", 714)
POL = _coin(POLYGON, "POL", 966)
BASE_ETH = _coin(BASE, "ETH", 60)
ARBITRUM_ETH = _coin(ARBITRUM, "ETH", 60)
SEPOLIA_ETH = _coin(SEPOLIA, "ETH", 60)
DEVNET_ETH = _coin(DEVNET, "ETH", 60)

# The issuers' own contracts; on BNB Chain, and for USDT on Base and Optimism, the bridged tokens that are used there.
USDT = _token(ETHEREUM, "USDT", "0xdac17f958d2ee523a2206206994597c13d831ec7")
USDC = _token(ETHEREUM, "USDC", "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48")
OPTIMISM_USDT = _token(OPTIMISM, "USDT", "0x94b008aa00579c1307b0ef2c499ad98a8ce58e58")
OPTIMISM_USDC = _token(OPTIMISM, "USDC", "0x0b2c639c533813f4aa9d7837caf62653d097ff85")
BNB_USDT = _token(BNB_CHAIN, "USDT", "0x55d398326f99059ff775485246999027b3197955", 18)
BNB_USDC = _token(BNB_CHAIN, "USDC", "0x8ac76a51cc950d9822d68b83fe1ad97b32cd580d", 18)
POLYGON_USDT = _token(POLYGON, "USDT", "0xc2132d05d31c914a87c6611c10748aeb04b58e8f")
POLYGON_USDC = _token(POLYGON, "USDC", "0x3c499c542cef5e3811e1192ce70d8cc03d5c3359")
BASE_USDT = _token(BASE, "USDT", "0xfde4c96c8593536e31f229ea8f37b2ada2699bb2")
BASE_USDC = _token(BASE, "USDC", "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913")
ARBITRUM_USDT = _token(ARBITRUM, "USDT", "0xfd086bc7cd5c481dcc9c85ebe478a1c0b69fcbb9")
ARBITRUM_USDC = _token(ARBITRUM, "USDC", "0xaf88d065e77c8cc2239327c5edb3a432268e5831")

EUR = Asset("swift:0/iso4217:EUR", "EUR", 2)
USD = Asset("swift:0/iso4217:USD", "USD", 2)
GBP = Asset("swift:0/iso4217:GBP", "GBP", 2)
CHF = Asset("swift:0/iso4217:CHF", "CHF", 2)
JPY = Asset("swift:0/iso4217:JPY", "JPY", 0)

_BITCOINS = (BITCOIN, BITCOIN_TESTNET, BITCOIN_SIGNET, BITCOIN_REGTEST, LITECOIN, LITECOIN_REGTEST)
_EVM_CHAINS = (ETHEREUM, OPTIMISM, BNB_CHAIN, POLYGON, BASE, ARBITRUM, SEPOLIA, DEVNET)
_CHAINS: Final = {chain.id: chain for chain in (*_BITCOINS, *_EVM_CHAINS)}
# A chain's coin comes before its tokens: `native_asset` takes the first.
_COINS = (
    *(BTC, TEST_BTC, SIGNET_BTC, REGTEST_BTC, LTC, REGTEST_LTC),
    *(ETH, OPTIMISM_ETH, BNB, POL, BASE_ETH, ARBITRUM_ETH, SEPOLIA_ETH, DEVNET_ETH),
)
_TOKENS = (
    *(USDT, OPTIMISM_USDT, BNB_USDT, POLYGON_USDT, BASE_USDT, ARBITRUM_USDT),
    *(USDC, OPTIMISM_USDC, BNB_USDC, POLYGON_USDC, BASE_USDC, ARBITRUM_USDC),
)
_ASSETS: Final = {asset.id: asset for asset in (*_COINS, *_TOKENS, EUR, USD, GBP, CHF, JPY)}
_FIAT_BY_CODE = {asset.code: asset for asset in _ASSETS.values() if asset.is_fiat}


def chain_by_id(chain_id: str) -> Chain:
    """Find a chain by its CAIP-2 id. Raises ``UnknownChainError``."""
    try:
        return _CHAINS[chain_id]
    except KeyError:
        message = f"{chain_id!r} is not a chain of this release; known are {', '.join(sorted(_CHAINS))}"
        raise UnknownChainError(message) from None


def asset_by_id(asset_id: str) -> Asset:
    """Find an asset by its CAIP-19 id. Raises ``UnknownAssetError``."""
    try:
        return _ASSETS[asset_id]
    except KeyError:
        codes = ", ".join(sorted({asset.code for asset in _ASSETS.values()}))
        message = f"{asset_id!r} is not an asset that is known here by its CAIP-19 id; known are those of {codes}"
        if "/erc20:" in asset_id:
            message += ". Tokens are known by [[chains.assets]] of the settings, with closed = true once not taken"
        raise UnknownAssetError(message) from None


def fiat_by_code(code: str) -> Asset:
    """Find a fiat currency by its ISO 4217 code. Raises ``UnknownAssetError``."""
    try:
        return _FIAT_BY_CODE[code]
    except KeyError:
        message = f"{code!r} is not a currency that prices can be in; use one of {', '.join(sorted(_FIAT_BY_CODE))}"
        raise UnknownAssetError(message) from None


def native_asset(chain: Chain) -> Asset:
    """Find the coin that pays the fees of a chain. Raises ``UnknownAssetError``."""
    for asset in _COINS:
        if asset.chain_id == chain.id:
            return asset
    message = f"{chain.id!r} has no coin that this release knows"
    raise UnknownAssetError(message)


def register_asset(asset: Asset) -> Asset:
    """Make a token known beside those of this release, for the life of the process; the same one again changes nothing.

    Only ERC-20 tokens of known chains are added, and never another asset of a known id: decimals that change would move
    money. Raises ``AssetConflictError``, ``UnknownChainError``.
    """
    known = _ASSETS.get(asset.id)
    if known == asset:
        return known
    if known is not None:
        message = (
            f"{asset.id} is {known.code} with {known.decimals} decimals here, not {asset.code} with {asset.decimals}"
        )
        raise AssetConflictError(message)
    chain = chain_by_id(asset.chain_id)
    if asset.contract is None or not _CODE.fullmatch(asset.code):
        message = (
            f"{asset.id} cannot be added: only tokens can, as {chain.id}/erc20:0x and 40 lower-case hex digits, with a "
            "code of at most 16 letters, digits and dots"
        )
        raise AssetConflictError(message)
    return _ASSETS.setdefault(asset.id, asset)


def choose_asset(name: str, assets: Iterable[Asset]) -> Asset:
    """Find the one of ``assets`` that a CAIP-19 id or a short code names.

    Raises ``AmbiguousAssetError`` where several have the code, ``UnknownAssetError`` where none has it.
    """
    offered = sorted(set(assets), key=lambda asset: asset.id)
    found = [asset for asset in offered if name in (asset.id, asset.code)]
    if len(found) == 1:
        return found[0]
    if found:
        message = f"{name} is on several networks: name one by its id, {_named(found)}"
        raise AmbiguousAssetError(message)
    message = f"{name!r} is not an asset that can be chosen here; these can: {_named(offered)}"
    raise UnknownAssetError(message)


def asset_by_code(code: str, chains: tuple[Chain, ...]) -> Asset:
    """Find an asset by its short code or CAIP-19 id among those that live on ``chains``, else among fiat.

    Raises ``AmbiguousAssetError`` where two of the chains have the code, ``UnknownAssetError``.
    """
    ids = {chain.id for chain in chains}
    found = [asset for asset in _ASSETS.values() if code in (asset.code, asset.id) and asset.chain_id in ids]
    return choose_asset(code, found) if found else fiat_by_code(code)


def network_name(asset: Asset) -> str:
    """Give the name of the chain that an asset lives on, for people; "fiat" for a currency."""
    chain = _CHAINS.get(asset.chain_id)
    return chain.name if chain else "fiat"


def _named(assets: Iterable[Asset]) -> str:
    return ", ".join(f"{asset.id} ({asset.code} on {network_name(asset)})" for asset in assets) or "none"
