"""Chains and assets, named by CAIP-2 and CAIP-19 so that a name means one thing on every chain.

Sources: CAIP-2 (https://chainagnostic.org/CAIPs/caip-2), CAIP-19 (…/caip-19), the bip122 namespace (a chain is named
by the first 32 hex digits of its genesis block's hash), SLIP-44 for coin types (1 stands for every test network).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from strongroom_core.errors import InvalidValueError

_CHAIN_ID = re.compile(r"[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}")
_ASSET_ID = re.compile(r"[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}/[-a-z0-9]{3,8}:[-.%a-zA-Z0-9]{1,128}")
MAX_DECIMALS = 36


class UnknownAssetError(InvalidValueError):
    """No asset of that name is known here."""

    code = "asset-unknown"


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

    def __str__(self) -> str:
        """Give the short code, for people."""
        return self.code


def _bitcoin(genesis: str, name: str, *, test: bool) -> Chain:
    return Chain(f"bip122:{genesis}", name, test)


def _coin(chain: Chain, code: str, coin_type: int) -> Asset:
    return Asset(f"{chain.id}/slip44:{coin_type}", code, 8)


BITCOIN = _bitcoin("000000000019d6689c085ae165831e93", "Bitcoin", test=False)
BITCOIN_TESTNET = _bitcoin("000000000933ea01ad0ee984209779ba", "Bitcoin testnet3", test=True)
BITCOIN_SIGNET = _bitcoin("00000008819873e925422c1ff0f99f7c", "Bitcoin signet", test=True)
BITCOIN_REGTEST = _bitcoin("0f9188f13cb7b2c71f2a335e3a4fc328", "Bitcoin regtest", test=True)
LITECOIN = _bitcoin("12a765e31ffd4059bada1e25190f6e98", "Litecoin", test=False)
LITECOIN_REGTEST = _bitcoin("530827f38f93b43ed12af0b3ad25a288", "Litecoin regtest", test=True)

BTC = _coin(BITCOIN, "BTC", 0)
TEST_BTC = _coin(BITCOIN_TESTNET, "BTC", 1)
SIGNET_BTC = _coin(BITCOIN_SIGNET, "BTC", 1)
REGTEST_BTC = _coin(BITCOIN_REGTEST, "BTC", 1)
LTC = _coin(LITECOIN, "LTC", 2)
REGTEST_LTC = _coin(LITECOIN_REGTEST, "LTC", 1)

EUR = Asset("swift:0/iso4217:EUR", "EUR", 2)
USD = Asset("swift:0/iso4217:USD", "USD", 2)
GBP = Asset("swift:0/iso4217:GBP", "GBP", 2)
CHF = Asset("swift:0/iso4217:CHF", "CHF", 2)
JPY = Asset("swift:0/iso4217:JPY", "JPY", 0)

_CHAINS = {
    chain.id: chain for chain in (BITCOIN, BITCOIN_TESTNET, BITCOIN_SIGNET, BITCOIN_REGTEST, LITECOIN, LITECOIN_REGTEST)
}
_ASSETS = {
    asset.id: asset for asset in (BTC, TEST_BTC, SIGNET_BTC, REGTEST_BTC, LTC, REGTEST_LTC, EUR, USD, GBP, CHF, JPY)
}
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
        message = f"{asset_id!r} is not an asset of this release; known are {', '.join(sorted(_ASSETS))}"
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
    for asset in _ASSETS.values():
        if asset.chain_id == chain.id:
            return asset
    message = f"{chain.id!r} has no coin that this release knows"
    raise UnknownAssetError(message)


def asset_by_code(code: str, chains: tuple[Chain, ...]) -> Asset:
    """Find an asset by its short code among those that live on ``chains``, else among fiat.

    Raises ``UnknownAssetError``.
    """
    ids = {chain.id for chain in chains}
    for asset in _ASSETS.values():
        if asset.code == code and asset.chain_id in ids:
            return asset
    return fiat_by_code(code)
