from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.checkout import words
from strongroom.checkout.networks import advice
from strongroom.checkout.page import Facts, state
from strongroom.checkout.words import Mood, Step
from strongroom_core.assets import (
    BASE_USDC,
    BNB_USDT,
    BTC,
    ETH,
    POL,
    REGTEST_BTC,
    USDC,
    USDT,
    Asset,
    network_name,
)
from tests.unit.checkout.test_page import deposit, shown
from tests.unit.checkout.views import AT, DUE, payment, view


@pytest.mark.parametrize(
    ("asset", "only", "others"),
    [
        (USDT, "Send USDT on Ethereum only", "USDT on Tron (TRC-20) or BNB Chain (BEP-20)"),
        (BNB_USDT, "Send USDT on BNB Chain only", "USDT on Tron (TRC-20) or Ethereum (ERC-20)"),
        (USDC, "Send USDC on Ethereum only", "USDC on Solana or Base"),
        (BASE_USDC, "Send USDC on Base only", "USDC on Solana or Ethereum (ERC-20)"),
        (ETH, "Send ETH on Ethereum only", "ETH on Base or Arbitrum"),
        (POL, "Send POL on Polygon only", "POL on any other network"),
        (BTC, "Send BTC on Bitcoin only", "BTC on any other network"),
    ],
)
def test_one_network_is_named_and_the_likeliest_mistakes_are_not_it(asset: Asset, only: str, others: str):
    told = advice(asset)
    assert told.only == only
    assert told.elsewhere == f"{others}, sent to this address, is not seen by us and does not pay this invoice."
    assert f"on {network_name(asset)}" not in told.elsewhere


def test_a_token_shows_its_checksummed_contract_and_a_coin_has_none():
    told = advice(USDT)
    assert told.contract == "0xdAC17F958D2ee523a2206206994597C13D831ec7"  # as EIP-55 and every explorer write it
    assert told.contract_short == "0xdAC1…1ec7"
    assert (advice(ETH).contract, advice(BTC).contract_short) == ("", "")


def test_only_what_can_be_kept_is_promised():
    evm, bitcoin = advice(USDT), advice(REGTEST_BTC)
    assert "mostly be brought back by hand" in evm.wrong_network
    assert "from Tron or another kind of network nobody can bring it back" in evm.wrong_network
    assert "credited to them as what it is" in evm.wrong_token
    assert bitcoin.wrong_token == ""
    assert "brought back by hand" not in bitcoin.wrong_network


def test_two_outputs_of_one_chain_tx_that_was_mined_twice_are_two_payments():
    first = payment("dropped", 5, vout=1)
    second = payment("credited", DUE, vout=1)
    page = shown(view("paid", "none", first, second), deposit(vout=1, amount=5, exception=None), deposit(vout=1))[
        "page"
    ]
    keys = [item["key"] for item in page["payments"]]
    assert len(set(keys)) == 2


def test_another_asset_is_marked_and_named_for_what_it_is():
    page = shown(view("new", "wrong-asset", payment("credited", 7_000_000, asset=USDT)))["page"]
    (told,) = page["payments"]
    assert told["amount"] == "7 USDT"
    assert told["note"] == "Not what this invoice asks for. It goes to the merchant as USDT; ask them what to do."


@pytest.mark.parametrize("came", [0, DUE // 2])
def test_nobody_is_asked_to_pay_in_a_stablecoin_that_lost_its_par(came: int):
    payments = [payment(amount=came)] if came else []
    shown_view = view("new", "underpaid" if came else "none", *payments)
    page = state(Facts(shown_view, (), 1_000, AT, depegged=True))["page"]
    assert (page["pay"], page["over"], page["step"], page["qr_path"]) == (False, False, 0, "")
    assert page["headline"] == "Do not pay with BTC now"
    assert ("has arrived already is with the merchant" in page["detail"]) == bool(came)


@pytest.mark.parametrize("status", ["processing", "paid", "expired", "invalid"])
def test_what_is_no_longer_waiting_is_told_as_ever(status: str):
    said = view(status, "none", payment("credited"))
    assert words.message(said, depegged=True) == words.message(said)


def test_a_payment_that_waits_for_par_is_told_with_what_follows():
    held = words.message(view("processing", "depegged", payment("credited")))
    assert held.headline == "Your payment has arrived and waits"
    assert "Do not pay again" in held.detail
    assert (held.mood, held.step, held.pay) == (Mood.WAIT, Step.CONFIRMING, False)
    ended = words.message(view("invalid", "depegged", payment("credited"), reason="depegged"))
    assert ended.headline == "Your payment was not taken at this price"
    assert "All of it is with the merchant" in ended.detail
    assert replace(ended, detail="").step is None
