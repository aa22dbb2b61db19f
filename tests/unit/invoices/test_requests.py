"""What a merchant may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.invoices.model import NewInvoice
from strongroom.invoices.requests import read_request
from strongroom_core.assets import (
    BNB_USDT,
    ETH,
    EUR,
    POLYGON_USDT,
    REGTEST_BTC,
    REGTEST_LTC,
    USDC,
    USDT,
    UnknownAssetError,
)
from strongroom_core.errors import StrongroomError
from strongroom_core.ids import MerchantId

MERCHANT = MerchantId.new()
HELD = (REGTEST_BTC, REGTEST_LTC, ETH, USDT, POLYGON_USDT, USDC)


def ask(**fields: Any) -> NewInvoice:
    values = {"amount": "12.50", "currency": "EUR", "expires_in_seconds": 900, **fields}
    return read_request(HELD, MERCHANT, **values)


def test_the_asset_is_the_first_chains_coin_unless_it_is_named_or_priced_in() -> None:
    assert (ask().price.asset, ask().asset) == (EUR, REGTEST_BTC)
    assert ask(asset="LTC").asset == REGTEST_LTC
    assert ask(currency="LTC").asset == ask(currency="LTC", asset="LTC").asset == REGTEST_LTC


def test_a_code_that_two_networks_have_is_settled_by_an_id() -> None:
    assert ask(asset=POLYGON_USDT.id).asset == POLYGON_USDT
    assert ask(currency=USDT.id).asset == USDT
    chosen = ask(currency="USDT", asset=POLYGON_USDT.id, amount="12.500001")
    assert (chosen.price.asset, chosen.asset, chosen.price.base_units) == (POLYGON_USDT, POLYGON_USDT, 12_500_001)
    assert ask(asset="USDC").asset == USDC
    assert ask(currency="ETH", amount="0.000000000000000001").price.base_units == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount": "0"}, "invoice-amount-out-of-range"),
        ({"amount": "0.00"}, "invoice-amount-out-of-range"),
        ({"amount": "-1"}, "amount-invalid"),
        ({"amount": "1.001"}, "amount-invalid"),
        ({"amount": "1e3"}, "amount-invalid"),
        ({"amount": ""}, "amount-invalid"),
        ({"currency": "XYZ"}, "asset-unknown"),
        ({"currency": ""}, "asset-unknown"),
        ({"asset": "EUR"}, "invoice-invalid"),
        ({"asset": "DOGE"}, "asset-unknown"),
        ({"currency": "BTC", "asset": "LTC"}, "invoice-invalid"),
        ({"asset": "USDT"}, "asset-ambiguous"),
        ({"currency": "USDT"}, "asset-ambiguous"),
        ({"currency": "USDT", "asset": "USDT"}, "asset-ambiguous"),
        ({"currency": "USDC", "asset": USDT.id}, "invoice-invalid"),
        ({"currency": USDT.id, "asset": POLYGON_USDT.id}, "invoice-invalid"),
        ({"asset": BNB_USDT.id}, "asset-unknown"),
        ({"currency": EUR.id}, "asset-unknown"),
        ({"amount": "0.0000001", "currency": "USDC"}, "amount-invalid"),
        ({"expires_in_seconds": 4}, "invoice-invalid"),
        ({"expires_in_seconds": 604_801}, "invoice-invalid"),
        ({"reference": ""}, "invoice-invalid"),
        ({"reference": "x" * 201}, "invoice-invalid"),
        ({"reference": "nul\x00"}, "invoice-invalid"),
        ({"description": "\ud800"}, "invoice-invalid"),
        ({"description": "x" * 1_001}, "invoice-invalid"),
        ({"redirect_url": "javascript:alert(1)"}, "invoice-invalid"),
        ({"redirect_url": "https://"}, "invoice-invalid"),
        ({"redirect_url": "https://user@shop.example/"}, "invoice-invalid"),
        ({"redirect_url": "https://shop.example/a b"}, "invoice-invalid"),
        ({"redirect_url": "https://[::1"}, "invoice-invalid"),
        ({"redirect_url": "/thanks"}, "invoice-invalid"),
        ({"metadata": {"x": "y" * 4_096}}, "invoice-invalid"),
        ({"metadata": {"x": "\x00"}}, "invoice-invalid"),
        ({"metadata": {"\ud800": 1}}, "invoice-invalid"),
        ({"metadata": {"x": float("nan")}}, "invoice-invalid"),
        ({"idempotency_key": ""}, "invoice-invalid"),
        ({"idempotency_key": "x" * 256}, "invoice-invalid"),
    ],
)
def test_what_we_do_not_take_is_refused_with_a_stable_code(fields: dict[str, Any], code: str) -> None:
    with pytest.raises(StrongroomError) as refused:
        ask(**fields)
    assert refused.value.code == code


def test_a_deep_object_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"x": deep}
    with pytest.raises(StrongroomError):
        ask(metadata=deep)


def test_every_field_but_the_key_is_part_of_the_digest() -> None:
    base = ask(idempotency_key="k")
    assert ask(idempotency_key="other").digest == base.digest
    changes: list[dict[str, Any]] = [
        {"amount": "12.51"},
        {"currency": "USD"},
        {"asset": "LTC"},
        {"expires_in_seconds": 901},
        {"reference": "r"},
        {"description": "r"},
        {"redirect_url": "https://shop.example/"},
        {"metadata": {"a": 1}},
    ]
    digests = {ask(**change).digest for change in changes}
    assert len(digests | {base.digest}) == len(changes) + 1
    assert ask(metadata={"a": 1, "b": 2}).digest == ask(metadata={"b": 2, "a": 1}).digest


def test_who_asks_for_an_unknown_coin_is_told_the_coins_and_not_the_currencies() -> None:
    with pytest.raises(
        UnknownAssetError, match=r"^'DOGE' is nothing that an invoice .* here: BTC, ETH, LTC, USDC, USDT$"
    ):
        ask(asset="DOGE")
    with pytest.raises(UnknownAssetError, match="'DOGE' is not a currency that prices can be in"):
        ask(currency="DOGE")
