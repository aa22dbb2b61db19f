"""Settings are checked in full before anything starts, and a wrong one says where and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.infra.settings import ChainSettings, Settings, SettingsError, Tier, load_settings
from strongroom_core.amounts import MAX_BASE_UNITS
from strongroom_core.assets import (
    BITCOIN_REGTEST,
    BNB_USDT,
    DEVNET,
    DEVNET_ETH,
    LITECOIN,
    LITECOIN_REGTEST,
    REGTEST_BTC,
    USDT,
    Chain,
    asset_by_id,
)
from tests.fixtures.devnet import CONTRACTS, TOKEN, devnet, ethereum, token

BITCOIN: dict[str, Any] = {"id": BITCOIN_REGTEST.id, "rpc_url": "http://127.0.0.1:1", "cookie_file": Path("none")}
TEXT = f"""
deployment = "test"
data_dir = "/nowhere"
[database]
passwords = "/nowhere"
[[chains]]
id = "{BITCOIN_REGTEST.id}"
rpc_url = "http://127.0.0.1:1"
cookie_file = "none"
[[chains]]
id = "{DEVNET.id}"
[chains.ethereum]
rpc_urls = ["http://127.0.0.1:2"]
agree_min = 1
factory = "{CONTRACTS["factory"]}"
cold_safe = "{CONTRACTS["cold_safe"]}"
hot_safe = "{CONTRACTS["hot_safe"]}"
allowance = "{CONTRACTS["allowance"]}"
multisend = "{CONTRACTS["multisend"]}"
[[chains.assets]]
id = "{DEVNET_ETH.id}"
code = "ETH"
decimals = 18
minimum_deposit = 1_000_000_000_000_000
payout_fee = 0
band = {{ low = 0, target = 0, high = 100_000_000_000_000_000_000 }}
[[chains.assets]]
id = "{TOKEN}"
code = "USDT"
decimals = 6
minimum_deposit = 10_000
payout_fee = 500
par = "USD"
"""


def test_a_file_with_both_kinds_of_chain_is_read(tmp_path: Path) -> None:
    place = tmp_path / "strongroom.toml"
    place.write_text(TEXT, encoding="utf-8")
    settings = load_settings(place)
    assert settings.held_assets == (REGTEST_BTC, DEVNET_ETH, asset_by_id(TOKEN))
    coin, stable = settings.chain(DEVNET.id).held_assets
    assert coin.band.high == 100 * 10**18
    assert (stable.asset.code, stable.asset.decimals, stable.par) == ("USDT", 6, "USD")
    assert settings.asset_settings(TOKEN) is stable
    assert settings.chain(DEVNET.id).asset is DEVNET_ETH


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("agree_min = 1", "", "agree_min"),
        ("decimals = 6", "decimals = 7", "6 decimals here, not USDT with 7"),
        ('code = "USDT"', 'code = "USDX"', "is USDT with"),
        (CONTRACTS["hot_safe"], CONTRACTS["cold_safe"], "five different addresses"),
        (CONTRACTS["hot_safe"], "0x12", "hot_safe: an address is 0x"),
        (CONTRACTS["hot_safe"], "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", "EIP-55"),
        ('par = "USD"', 'par = "XAU"', "XAU"),
        (f'id = "{DEVNET.id}"', f'id = "{BITCOIN_REGTEST.id}"', "rpc_url and cookie_file"),
        (f'id = "{TOKEN}"', f'id = "{USDT.id}"', "does not live on Ethereum devnet"),
        (f'id = "{TOKEN}"', f'id = "{DEVNET.id}/erc20:0x{"AB" * 20}"', "lower-case"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    token()  # its decimals are known from here on
    assert old in TEXT
    place = tmp_path / "strongroom.toml"
    place.write_text(TEXT.replace(old, new), encoding="utf-8")
    with pytest.raises(SettingsError, match=said):
        load_settings(place)


def test_one_node_alone_is_believed_on_test_chains_only() -> None:
    held = token(id=USDT.id)
    with pytest.raises(ValueError, match="test chains only"):
        devnet(id=USDT.chain_id, assets=(held,))
    two = ethereum(rpc_urls=("http://127.0.0.1:1", "http://127.0.0.1:2"), agree_min=2)
    assert devnet(id=USDT.chain_id, assets=(held,), ethereum=two).asset_settings(USDT.id) is held
    with pytest.raises(ValueError, match="2 different nodes"):
        ethereum(rpc_urls=("http://127.0.0.1:1", "http://127.0.0.1:1"), agree_min=2)


def test_a_pinned_token_keeps_its_decimals() -> None:
    assert token(id=BNB_USDT.id, decimals=18).asset is BNB_USDT
    with pytest.raises(ValueError, match="18 decimals here, not USDT with 6"):
        token(id=BNB_USDT.id, decimals=6)


def test_parts_of_the_other_kind_of_chain_are_refused() -> None:
    for wrong in (
        {"ethereum": None},
        {"assets": ()},
        {"rpc_url": "http://127.0.0.1:1"},
        {"assets": (token(), token())},
    ):
        with pytest.raises(ValueError, match="Ethereum devnet"):
            devnet(**wrong)
    with pytest.raises(ValueError, match="belong to one asset"):
        devnet(tiers=(Tier(confirmations=1, amount_max=1), Tier(confirmations=2)))
    for more in ({"ethereum": ethereum()}, {"assets": (token(),)}, {"rpc_url": ""}, {"cookie_file": Path()}):
        with pytest.raises(ValueError, match="rpc_url and cookie_file"):
            ChainSettings(**BITCOIN | more)


def test_a_bitcoin_like_holds_its_one_coin_on_the_terms_of_its_own_fields() -> None:
    chain = ChainSettings(**BITCOIN | {"minimum_deposit": 7})
    (coin,) = chain.held_assets
    assert (coin.asset, coin.minimum_deposit, coin.payout_fee) == (REGTEST_BTC, 7, chain.fees.payout_fee)
    assert (chain.is_evm, chain.relay_minimum, devnet().relay_minimum) == (False, 546, 1)
    with pytest.raises(SettingsError, match="is not held on Bitcoin regtest"):
        chain.asset_settings(TOKEN)
    with pytest.raises(SettingsError, match="no chain"):
        Settings(deployment="x", data_dir=Path(), database={"passwords": Path()}, chains=(chain,)).asset_settings(TOKEN)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chain", "told", "least"),
    [(BITCOIN_REGTEST, None, 546), (LITECOIN, None, 5_460), (LITECOIN_REGTEST, None, 5_460), (LITECOIN, 7_000, 7_000)],
    ids=str,
)
def test_what_is_dust_is_the_chains_own_unless_it_is_told(chain: Chain, told: int | None, least: int) -> None:
    settings = ChainSettings(id=chain.id, rpc_url="http://127.0.0.1:1", cookie_file=Path("none"), dust=told)
    assert settings.relay_minimum == least


def test_a_chain_is_named_once() -> None:
    with pytest.raises(ValueError, match="named twice"):
        Settings(deployment="x", data_dir=Path(), database={"passwords": Path()}, chains=(devnet(), devnet()))  # type: ignore[arg-type]


@given(st.integers(0, MAX_BASE_UNITS + 2))
def test_amounts_of_an_asset_reach_to_the_end_of_uint256(amount: int) -> None:
    if amount <= MAX_BASE_UNITS:
        assert token(minimum_deposit=amount, payout_fee=amount).minimum_deposit == amount
    else:
        with pytest.raises(ValueError, match="cannot be above"):
            token(minimum_deposit=amount)
