"""Chains and assets have one name each; bitcoin-likes are named by their genesis block."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import pytest

from strongroom_core import assets
from strongroom_core.assets import Asset, Chain, UnknownAssetError, UnknownChainError
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
