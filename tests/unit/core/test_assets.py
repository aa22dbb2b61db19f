"""Chains and assets have one name each; bitcoin-likes are named by their genesis block."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import pytest

from strongroom_core import assets
from strongroom_core.assets import (
    AmbiguousAssetError,
    Asset,
    AssetConflictError,
    Chain,
    UnknownAssetError,
    UnknownChainError,
)
from strongroom_core.errors import InvalidValueError

BITCOIN_ROOT = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
LITECOIN_ROOT = "97ddfbbae6be97fd6cdf3e7ca13232a3afff2353e29badfab7f73011edd4ced9"
# Merkle root, time, bits and nonce of the genesis blocks, as the nodes' own chain parameters give them.
GENESIS = {
    assets.BITCOIN: (BITCOIN_ROOT, 1231006505, 0x1D00FFFF, 2083236893),
    assets.BITCOIN_TESTNET: (BITCOIN_ROOT, 1296688602, 0x1D00FFFF, 414098458),
    assets.BITCOIN_SIGNET: (BITCOIN_ROOT, 1598918400, 0x1E0377AE, 52613770),
    assets.BITCOIN_REGTEST: (BITCOIN_ROOT, 1296688602, 0x207FFFFF, 2),
    assets.LITECOIN: (LITECOIN_ROOT, 1317972665, 0x1E0FFFF0, 2084524493),
    assets.LITECOIN_REGTEST: (LITECOIN_ROOT, 1296688602, 0x207FFFFF, 0),
}


@pytest.mark.parametrize("chain", GENESIS, ids=str)
def test_a_bitcoin_like_is_named_by_the_hash_of_its_genesis_block(chain: Chain) -> None:
    root, time, bits, nonce = GENESIS[chain]
    header = struct.pack("<I32x32sIII", 1, bytes.fromhex(root)[::-1], time, bits, nonce)
    block_hash = hashlib.sha256(hashlib.sha256(header).digest()).digest()[::-1].hex()
    assert chain.id == f"bip122:{block_hash[:32]}"
    assert assets.chain_by_id(chain.id) is chain


@pytest.mark.parametrize("chain", GENESIS, ids=str)
def test_each_chain_has_its_coin(chain: Chain) -> None:
    coin = assets.native_asset(chain)
    assert coin.chain_id == chain.id
    assert coin.decimals == 8
    assert not coin.is_fiat
    assert coin.id.endswith("slip44:1") == chain.test
    assert assets.asset_by_id(coin.id) is coin
    assert assets.asset_by_code(coin.code, (chain,)) is coin


def test_a_code_means_the_asset_of_the_chains_asked_for() -> None:
    assert assets.asset_by_code("BTC", (assets.LITECOIN, assets.BITCOIN_REGTEST)) is assets.REGTEST_BTC
    assert assets.asset_by_code("EUR", (assets.BITCOIN,)) is assets.EUR
    assert assets.fiat_by_code("JPY").decimals == 0
    assert assets.EUR.is_fiat
    assert str(assets.EUR) == "EUR"


def test_unknown_names_are_refused_with_what_is_known() -> None:
    with pytest.raises(UnknownChainError, match="known are"):
        assets.chain_by_id("bip122:00")
    with pytest.raises(UnknownAssetError, match="known are"):
        assets.asset_by_id("btc")
    with pytest.raises(UnknownAssetError, match="use one of"):
        assets.fiat_by_code("BTC")
    with pytest.raises(UnknownAssetError):
        assets.asset_by_code("LTC", (assets.BITCOIN,))
    with pytest.raises(UnknownAssetError):
        assets.native_asset(Chain("bip122:00", "nothing", test=True))


@pytest.mark.parametrize("name", ["", "bip122", "bip122:", "BIP122:00", "ab:00", "bip122:00\n", "bip122:" + "0" * 33])
def test_a_chain_id_is_caip_2(name: str) -> None:
    with pytest.raises(InvalidValueError):
        Chain(name, "x", test=True)


@pytest.mark.parametrize(
    "name", ["", "bip122:00", "bip122:00/", "bip122:00/slip44", "bip122:00/slip44:", "x:0/slip44:0"]
)
def test_an_asset_id_is_caip_19(name: str) -> None:
    with pytest.raises(InvalidValueError):
        Asset(name, "X", 8)


@pytest.mark.parametrize("decimals", [-1, 37, 8.0, True, None, "8"])
def test_decimals_are_an_integer_from_0_to_36(decimals: Any) -> None:
    with pytest.raises(InvalidValueError):
        Asset("bip122:00/slip44:0", "X", decimals)


EVM_CHAINS = {
    assets.ETHEREUM: (1, "ETH", 60),
    assets.OPTIMISM: (10, "ETH", 60),
    assets.BNB_CHAIN: (56, "BNB", 714),
    assets.POLYGON: (137, "POL", 966),
    assets.BASE: (8453, "ETH", 60),
    assets.ARBITRUM: (42161, "ETH", 60),
    assets.SEPOLIA: (11155111, "ETH", 60),
    assets.DEVNET: (31337, "ETH", 60),
}


@pytest.mark.parametrize("chain", EVM_CHAINS, ids=str)
def test_an_evm_chain_is_named_by_its_chain_id_and_has_a_coin_of_18_decimals(chain: Chain) -> None:
    number, code, coin_type = EVM_CHAINS[chain]
    coin = assets.native_asset(chain)
    assert (chain.is_evm, chain.evm_id, chain.id) == (True, number, f"eip155:{number}")
    assert (coin.id, coin.code, coin.decimals) == (f"eip155:{number}/slip44:{coin_type}", code, 18)
    assert coin.contract is None


def test_a_bitcoin_like_has_no_evm_chain_id() -> None:
    assert not assets.BITCOIN.is_evm
    with pytest.raises(UnknownChainError, match="no EVM chain"):
        _ = assets.BITCOIN.evm_id


@pytest.mark.parametrize("chain", [chain for chain in EVM_CHAINS if not chain.test], ids=str)
@pytest.mark.parametrize("code", ["USDT", "USDC"])
def test_the_stablecoins_of_every_main_network_are_pinned(chain: Chain, code: str) -> None:
    token = assets.asset_by_code(code, (chain,))
    assert token.chain_id == chain.id
    assert token.contract is not None
    assert token.id == f"{chain.id}/erc20:{token.contract}"
    assert token.decimals == (18 if chain == assets.BNB_CHAIN else 6)


def test_a_code_that_two_networks_have_is_refused_and_an_id_is_not() -> None:
    both = (assets.ETHEREUM, assets.POLYGON)
    with pytest.raises(AmbiguousAssetError, match=r"Ethereum.*Polygon|Polygon.*Ethereum") as refusal:
        assets.asset_by_code("USDT", both)
    assert refusal.value.code == "asset-ambiguous"
    assert assets.POLYGON_USDT.id in refusal.value.message
    assert assets.asset_by_code(assets.POLYGON_USDT.id, both) is assets.POLYGON_USDT
    assert assets.asset_by_code("POL", both) is assets.POL


def test_a_choice_is_among_what_is_offered_only() -> None:
    offered = [assets.USDT, assets.BNB_USDT, assets.ETH, assets.BTC]
    assert assets.choose_asset("ETH", offered) is assets.ETH
    assert assets.choose_asset(assets.BNB_USDT.id, offered) is assets.BNB_USDT
    assert assets.choose_asset("USDT", [assets.BTC, assets.USDT, assets.USDT]) is assets.USDT
    with pytest.raises(AmbiguousAssetError):
        assets.choose_asset("USDT", offered)
    for absent in ("USDC", assets.USDC.id, "usdt", ""):
        with pytest.raises(UnknownAssetError, match=r"these can: .*ETH on Ethereum"):
            assets.choose_asset(absent, offered)
    with pytest.raises(UnknownAssetError, match="none"):
        assets.choose_asset("BTC", [])


def test_a_token_becomes_known_once_and_never_changes() -> None:
    name = f"{assets.DEVNET.id}/erc20:0x{'a1' * 20}"
    with pytest.raises(UnknownAssetError):
        assets.asset_by_id(name)
    token = assets.register_asset(Asset(name, "TST", 7))
    assert assets.register_asset(Asset(name, "TST", 7)) is token
    assert assets.asset_by_id(name) is token
    assert assets.asset_by_code("TST", (assets.DEVNET,)) is token
    assert assets.native_asset(assets.DEVNET) is assets.DEVNET_ETH
    for other in (Asset(name, "TST", 6), Asset(name, "TSU", 7)):
        with pytest.raises(AssetConflictError, match="TST with 7 decimals"):
            assets.register_asset(other)
    assert assets.asset_by_id(name) is token


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (f"eip155:1/erc20:0x{'AB' * 20}", "TST"),  # not lower case: a second name of one token
        (f"eip155:1/erc20:0x{'ab' * 19}", "TST"),
        (f"eip155:1/erc721:0x{'ab' * 20}", "TST"),
        (f"{assets.BITCOIN.id}/erc20:0x{'ab' * 20}", "TST"),
        ("eip155:1/slip44:61", "ETC"),
        ("swift:0/iso4217:SEK", "SEK"),
        (f"eip155:424242/erc20:0x{'ab' * 20}", "TST"),
        (f"eip155:1/erc20:0x{'ab' * 20}", ""),
        (f"eip155:1/erc20:0x{'ab' * 20}", "US DT"),
        (f"eip155:1/erc20:0x{'ab' * 20}", "X" * 17),
    ],
)
def test_only_tokens_of_known_chains_can_be_added(name: str, code: str) -> None:
    with pytest.raises(InvalidValueError):
        assets.register_asset(Asset(name, code, 6))
    with pytest.raises(UnknownAssetError):
        assets.asset_by_id(name)
